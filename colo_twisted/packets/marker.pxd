cpdef bytes marker_packet(bytes nonce)
cpdef bytes find_marker(bytes packet)

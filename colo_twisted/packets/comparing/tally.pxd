cdef class Tally:
    cdef public long long primary, secondary, released, made_acks, passed, unprotected
    cdef public long long compared, held, held_packets, held_bytes, divergences, connections, checkpoints
    cdef public long long dropped_malformed, dropped_queue_full, dropped_memory
    cdef public long long dropped_table_full, dropped_reused, dropped_fragments
    cdef public long long secondary_questions, secondary_only, secondary_ignored, secondary_malformed, secondary_dropped_memory

"""What a frame is made of: framing, headers, checksums. No IO, no Twisted, no clock."""

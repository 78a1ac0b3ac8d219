"""``make demo``: a primary is killed in mid-download, between hosts that are network namespaces of this machine."""

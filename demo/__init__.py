"""``make demo``: the proxy on real traffic, between hosts that are network namespaces of this machine."""

"""``colo-ctl``: what an operator does with a running ``twistd colo``, over its QMP socket; starts without Twisted."""

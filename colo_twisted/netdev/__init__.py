"""Netdevs: the ends of a guest's cable, a TAP of the kernel's or a stream of frames to another process."""

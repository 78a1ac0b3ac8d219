"""colo-compare beside QEMU's: packet pairs a second over unix sockets."""

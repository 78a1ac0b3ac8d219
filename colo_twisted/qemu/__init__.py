"""A real QEMU under COLO, as a guest of this process: driven, and listened to, by its QMP socket."""

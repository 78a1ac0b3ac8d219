"""What tests share: fakes, and the real things made small (processes, network namespaces, QEMU)."""

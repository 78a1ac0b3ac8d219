"""Speed, measured beside QEMU's in the same run: ``python -m benchmarks`` (as root)."""

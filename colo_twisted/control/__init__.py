"""The QMP server: what runs can be seen and changed by QEMU's own tools."""

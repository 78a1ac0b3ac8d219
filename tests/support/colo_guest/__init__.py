"""A guest for QEMU's COLO under TCG: a kernel, an initramfs with four services, and what QEMU 7.2 needs besides."""

"""Two QEMUs under COLO, with QEMU's own proxy inside them and with ours outside."""

"""Two TAPs joined by ours and by QEMU: TCP both ways and ping."""

"""What the guest serves."""

BODY = b"".join(b"%064x\n" % (number * number) for number in range(1 << 14))[: 1 << 20]
"""1 MiB in which no two lines are alike."""

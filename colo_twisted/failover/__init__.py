"""The other process of the pair: what the two say to each other, and what each keeps over a restart."""

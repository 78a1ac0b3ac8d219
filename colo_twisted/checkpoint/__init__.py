"""Checkpointers: what makes the secondary equal to the primary."""

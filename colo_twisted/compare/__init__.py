"""Comparing two guests' output: the colo-compare object, and what belongs to it."""

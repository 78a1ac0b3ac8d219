"""Comparing two guests' output: what of the primary's may leave. No IO, no Twisted, no clock."""

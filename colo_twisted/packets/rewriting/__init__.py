"""Rewriting a secondary's TCP so that it fits the primary's clients. No IO, no Twisted, no clock."""

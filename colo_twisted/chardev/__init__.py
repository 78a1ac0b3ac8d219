"""Chardevs: connections that carry frames, each with one front end here and one peer there."""

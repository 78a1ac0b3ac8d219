"""A colo-compare's start until its first packet, and what it takes of memory then."""

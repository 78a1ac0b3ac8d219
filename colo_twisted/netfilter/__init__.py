"""The chain of filters on a netdev, and the filters."""

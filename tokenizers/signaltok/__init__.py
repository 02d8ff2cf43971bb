"""signaltok."""

"""HTTP through a whole pair, beside HTTP through one TAP hop."""

"""Whether the secondary follows a flow, and what is done with it then."""

from __future__ import annotations

FOLLOWED = 0  # compared
DIVERGED = 1  # held until a checkpoint, or until it is let go
NAMING = 2  # held until the secondary knows that it is unprotected
UNPROTECTED = 3  # not compared
PASSED = 4  # not compared by an operator's rule, and a checkpoint changes nothing in that

NAMES = ("followed", "diverged", "naming", "unprotected", "passed")

"""Where a checkpoint stands on the secondary, what is known of its guest, and what is counted of both."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from colo_twisted.counters import Counters


class Phase(enum.Enum):
    """Where the checkpoint of the current number stands; all but UNASKED and ASKING are kept in the state file."""

    NONE = "none"
    UNASKED = "unasked"  # the guest's traffic is stopped: its QEMU makes it anew, and the primary has said nothing yet
    BEGUN = "begun"  # the guest's traffic is stopped
    ASKING = "asking"  # the same, and the primary was lost; checkpoint-state runs
    DONE = "done"
    ABORTED = "aborted"


class Turn(enum.Enum):
    """What a QEMU has said of its guest since the last checkpoint that is over, or since the traffic was stopped."""

    OLD = "the guest is as it was"
    CHANGING = "it stands still, to become another"
    NEW = "it has become the primary's equal"
    UNKNOWN = "nobody can tell"


@dataclass
class ReplicaCounters(Counters):
    """Checkpoints as the secondary sees them."""

    checkpoints_begun: int = 0
    checkpoints_done: int = 0
    checkpoints_aborted: int = 0
    checkpoints_lost: int = 0  # the primary was lost between BEGIN and DONE
    invalidated: int = 0  # times that it became invalid
    ignored_numbers: int = 0  # messages of a checkpoint that isn't the current one
    unasked: int = 0  # checkpoints that the guest's QEMU made, and of which the primary has said nothing
    not_kept: int = 0  # messages not acted upon and not answered, as the state file could not be written

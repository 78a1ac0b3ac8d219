"""
The states of a side, and the transitions between them, as one table; README shows the same.

SEMANTICS ('Failover') is what the rows come from; failover/arbiter.py says when which event happens.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

PRIMARY, SECONDARY = "primary", "secondary"


class State(enum.Enum):
    """How a side stands; the values are what an operator reads."""

    SHUT = "shut"  # it must not speak
    JOINING = "joining"  # the secondary may not take over; the primary speaks
    SYNCED = "synced"  # the secondary may take over; the primary speaks
    LOST = "lost"  # the other is silent, and nobody here knows whether it speaks, or will; the primary is silent too
    ALONE = "alone"  # it speaks, and the other must not
    TAKEN_OVER = "taken-over"  # the same, of what was a secondary


SPEAKING = {State.JOINING, State.SYNCED, State.ALONE, State.TAKEN_OVER}
"""The states in which a primary speaks. (A secondary is a primary once it has taken over.)"""


class Event(enum.Enum):
    """What happens to a side; the values are the table's words."""

    CONFIRMED = "the other says that this side may go on"
    OVERRULED = "the other has the higher epoch, or the better right at equal ones"
    RENEWED = "another process has taken the other's place"
    OFFERED = "new connections are to be protected"  # a primary is about to say so
    ENTITLED = "the primary protects new connections"  # a secondary hears it
    REVOKED = "the secondary is not to take over"  # it knows, and the primary knows that it does
    SILENT = "the other is silent"
    CLOSED = "the other's process is dead, or has said goodbye"
    UNFENCED = "the other is silent, and the configuration says that this is enough"
    FENCED = "the fence command says that the other is off"
    WORD = "an operator says that the other is lost"
    GUEST_DIED = "this side's guest has died, or its cable is out"
    RECOVERED = "that is mended, and the other, which knows, can't take over"


@dataclass(frozen=True)
class Row:
    """
    One transition of a side in ``state``.

    @ivar goes: the state that follows; LOST for a side that has to fence or to wait first.
    @ivar solo: the epoch rises and the side is solo from now on, on the disk before it speaks.
    """

    role: str
    state: State
    event: Event
    goes: State
    solo: bool = False


def _rows(role: str, states: str, event: Event, goes: State, solo: bool = False) -> list[Row]:
    return [Row(role, State(state), event, goes, solo) for state in states.split()]


TABLE: tuple[Row, ...] = (
    # a primary, or a survivor
    *_rows(PRIMARY, "shut", Event.CONFIRMED, State.JOINING),
    *_rows(PRIMARY, "lost", Event.CONFIRMED, State.SYNCED),
    *_rows(PRIMARY, "joining alone taken-over", Event.OFFERED, State.SYNCED),
    *_rows(PRIMARY, "synced", Event.REVOKED, State.JOINING),
    *_rows(PRIMARY, "synced lost", Event.RENEWED, State.JOINING),
    *_rows(PRIMARY, "synced", Event.SILENT, State.LOST),
    *_rows(PRIMARY, "synced lost", Event.CLOSED, State.ALONE, solo=True),
    *_rows(PRIMARY, "lost", Event.UNFENCED, State.ALONE, solo=True),
    *_rows(PRIMARY, "shut lost", Event.FENCED, State.ALONE, solo=True),
    *_rows(PRIMARY, "shut joining synced lost", Event.WORD, State.ALONE, solo=True),
    *_rows(PRIMARY, "joining synced lost alone taken-over", Event.OVERRULED, State.SHUT),
    *_rows(PRIMARY, "synced lost", Event.GUEST_DIED, State.SHUT),
    *_rows(PRIMARY, "shut", Event.RECOVERED, State.JOINING),
    # a secondary
    *_rows(SECONDARY, "joining", Event.ENTITLED, State.SYNCED),
    *_rows(SECONDARY, "lost", Event.CONFIRMED, State.SYNCED),
    *_rows(SECONDARY, "synced lost", Event.REVOKED, State.JOINING),
    *_rows(SECONDARY, "synced lost", Event.RENEWED, State.JOINING),
    *_rows(SECONDARY, "synced lost", Event.OVERRULED, State.JOINING),
    *_rows(SECONDARY, "synced", Event.SILENT, State.LOST),
    *_rows(SECONDARY, "synced lost", Event.CLOSED, State.TAKEN_OVER, solo=True),
    *_rows(SECONDARY, "lost", Event.UNFENCED, State.TAKEN_OVER, solo=True),
    *_rows(SECONDARY, "lost", Event.FENCED, State.TAKEN_OVER, solo=True),
    *_rows(SECONDARY, "joining synced lost", Event.WORD, State.TAKEN_OVER, solo=True),
    *_rows(SECONDARY, "synced lost", Event.GUEST_DIED, State.JOINING),
)

BY_EVENT = {(row.role, row.state, row.event): row for row in TABLE}

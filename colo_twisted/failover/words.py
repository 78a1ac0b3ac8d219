"""How a side stands, in words for an operator."""

from __future__ import annotations

from colo_twisted.failover.arbiter import PRIMARY, SECONDARY, Arbiter, State

_NOT_HEARD = "the other side has not been heard since the start, and may speak (colo-ctl failover if it is off)"
_OVERTAKEN = "the other side has taken over, or gone on alone, and this one must not speak any more"
_CLASH = "the other side has the same right to speak: an operator must say which one goes on (colo-ctl failover)"


def is_overtaken(arbiter: Arbiter) -> bool:
    """Whether the other side has gone on without this one, which must not speak any more."""
    other = arbiter.other
    return arbiter.state is State.SHUT and other is not None and other.epoch > arbiter.kept.epoch


def why_shut(arbiter: Arbiter, handed_over: str) -> str:
    """Of a side that is; ``handed_over``: why it has handed over, '' if it hasn't."""
    if arbiter.other is None:
        return _NOT_HEARD
    if is_overtaken(arbiter):
        return _OVERTAKEN
    return handed_over if handed_over and arbiter.other.role == SECONDARY else _CLASH


def why_lost(arbiter: Arbiter, why_not: str | None) -> str:
    """Of a side that is; ``why_not``: why it can't take over now."""
    if arbiter.fencing:
        waits = "the fence command runs"
    elif why_not is not None:
        waits = why_not
    elif arbiter.policy.fences:
        waits = "the fence command will be tried again"
    else:
        waits = "it waits for it, or for an operator: colo-ctl failover"
    if arbiter.kept.role == PRIMARY:
        return f"the secondary is silent, and might take over: nothing leaves; {waits}"
    return f"the primary is silent; {waits}"

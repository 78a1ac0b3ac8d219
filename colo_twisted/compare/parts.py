"""The other objects that a colo-compare works with, found by id or by being the only ones."""

from __future__ import annotations

from typing import Any

from colo_twisted.interfaces import ICheckpointed, ICheckpointer, IColoPeer, IComparer, IMachine
from colo_twisted.options.errors import StartError
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter


def find_peer(machine: IMachine, owner: str, id: str | None) -> Any | None:
    """
    The colo-peer of that id, or without one the only one there is, or None.

    Raises StartError: it is no colo-peer, there are several, or it is a secondary's.
    """
    if id is not None:
        peer: Any = machine.object(id)
        if not IColoPeer.providedBy(peer):
            raise StartError(f"{owner}: property 'peer': '{id}' is no colo-peer")
    else:
        peers = machine.providers(IColoPeer)
        if len(peers) > 1:
            ids = ", ".join(peer.id for peer in peers)
            raise StartError(f"{owner}: property 'peer' must say which colo-peer is its own (there are: {ids})")
        peer = peers[0] if peers else None
    if peer is not None and any(known.following.peer is peer for known in machine.providers(IComparer)):
        raise StartError(f"{owner}: colo-peer '{peer.id}' is another colo-compare's: each has one of its own (peer=)")
    if peer is not None and peer.role != "primary":
        raise StartError(f"{owner}: colo-peer '{peer.id}' has role={peer.role}; the comparer's is role=primary")
    return peer


def find_checkpointer(machine: IMachine, owner: str, id: str) -> Any:
    """The checkpointer of that id. Raises StartError: it is none."""
    checkpointer: Any = machine.object(id)
    if not ICheckpointer.providedBy(checkpointer):
        raise StartError(
            f"{owner}: property 'checkpoint': '{id}' makes no checkpoints (a checkpoint-command does, and a colo-qemu"
            " with role=primary)"
        )
    return checkpointer


class PeerChannel:
    """A colo-peer as one of the channels that must be up."""

    def __init__(self, peer: IColoPeer) -> None:
        self._peer = peer

    @property
    def connected(self) -> bool:
        """
        Whether the secondary is there, or may be: one whose connection broke is bound all the same.

        As long as beats come by the other channels the rest is compared as before; only what it would have to be told
        of waits. When nothing comes any more, the colo-peer itself silences the primary.
        """
        return self._peer.connected or self._peer.bound


class LatePeers:
    """Those that have come after a comparer that works without one: it goes on without, and that is said once."""

    def __init__(self, machine: IMachine, id: str, report: Reporter) -> None:
        """
        @param id: the comparer's.
        """
        self._machine = machine
        self._id = id
        self._report = report
        self._said: set[str] = set()

    def look(self) -> None:
        """Say it of those that are new."""
        there = {peer.id for peer in self._machine.providers(IColoPeer) if peer.role == "primary"}
        taken = {peer.id for known in self._machine.providers(IComparer) if (peer := known.following.peer) is not None}
        for id in sorted(there - taken - self._said):
            self._report.warn(
                f"colo-peer '{id}' is not used, for it came later than this colo-compare:"
                f" colo-ctl del object {self._id}, then add it again"
            )
        self._said = there


def own_offsets(machine: IMachine) -> dict[bytes, Offsets]:
    """What the primary's own rewriter adds, where the primary is itself a survivor: by connection key."""
    return {key: offsets for part in machine.providers(ICheckpointed) for key, offsets in part.offsets().items()}

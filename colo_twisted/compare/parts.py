"""The other objects that a colo-compare works with, found by id or by being the only ones."""

from __future__ import annotations

from typing import Any

from colo_twisted.interfaces import ICheckpointer, IColoPeer, IComparer, IMachine
from colo_twisted.options.errors import StartError


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
        raise StartError(f"{owner}: property 'checkpoint': '{id}' makes no checkpoints (checkpoint-command does)")
    return checkpointer

"""The connections that a comparer knows, as somebody who asks for them gets them."""

from __future__ import annotations

from typing import Any

from colo_twisted.packets.comparing.flow_table import FlowTable
from colo_twisted.packets.comparing.flows import Flow
from colo_twisted.packets.comparing.protection import NAMES
from colo_twisted.packets.keys import key_text
from colo_twisted.packets.page import Page

CLOSING = "closing"


def page(flows: FlowTable, start: int, most: int, now: float) -> Page:
    """
    At most so many, from that place on, oldest first.

    A row has ``connection``, in words; ``state``, one of protection.NAMES, or CLOSING for one that the primary's guest
    has ended, and that is kept for repetitions, ten minutes at most; ``held-packets`` of either side, and what
    these cost, ``held-bytes``; and ``idle``: seconds since its last packet.
    """
    return Page([_row(flow, now) for flow in flows.some(start, most)], len(flows))


def _row(flow: Flow, now: float) -> dict[str, Any]:
    return {
        "connection": key_text(flow.key),
        "state": CLOSING if flow.ended else NAMES[flow.protection],
        "held-packets": flow.primary_count + flow.secondary_count,
        "held-bytes": flow.held_bytes,
        "idle": max(0.0, now - flow.last_used),
    }

"""What a secondary answers before it takes over and afterwards, and a primary that goes on alone."""

from __future__ import annotations

from typing import Any

from tests.ctl.canned import CHAINS, REPLICA

ALONE = {**REPLICA, "mode": "none", "state": "alone", "reason": "an operator says that the secondary is lost"}
PEER = {"id": "cp0", "role": "secondary", "connected": False}
SECONDARY = {"mode": "secondary", "state": "lost", "reason": "", "since": 3.0, "peer": PEER, "problems": []}
SYNCED = {**SECONDARY, "state": "synced", "peer": {**PEER, "connected": True}}
TAKEN_OVER: dict[str, Any] = {**SECONDARY, "mode": "none", "state": "taken-over", "since": 0.0}
SURVIVORS_CHAIN = {
    **CHAINS[0],
    "filters": [
        {"id": "gate0", "type": "filter-drop", "queue": "tx", "status": "off"},
        {"id": "f1", "type": "filter-redirector", "queue": "tx", "status": "off"},
        {"id": "f2", "type": "filter-redirector", "queue": "rx", "status": "off"},
        {"id": "d0", "type": "filter-dump", "queue": "all", "status": "off"},
        {"id": "rew0", "type": "filter-rewriter", "queue": "all", "status": "on"},
    ],
}
SURVIVORS_CHARDEVS = [
    {"label": "red0", "used-by": "filter-redirector 'f1'", "connected": False},
    {"label": "red1", "used-by": "filter-redirector 'f2'", "connected": False},
    {"label": "peer0", "used-by": "colo-peer 'cp0'", "connected": False},
]

"""A canned server with a few objects, as QOM shows them."""

from __future__ import annotations

from typing import Any

from colo_twisted.ctl.errors import Refused
from tests.ctl.canned import CannedServer
from tests.ctl.schema import SCHEMA

STATUS = ("off: frames pass by it", "on or off")
TIMEOUT = ("a packet waits so long (at most) for its equal", "a time in ms, or with a unit (s, ms, us)")
ON_DIVERGENCE = ("what is done then", "checkpoint, release or isolate")
COMMIT = ("acknowledgments wait, too", "on or off")


def _described(help_and_takes: tuple[str, str]) -> str:
    """As the server has it."""
    help, takes = help_and_takes
    return f"{help} ({takes}; can be changed (qom-set))"


TREE: dict[str, list[dict[str, Any]]] = {
    "/objects": [
        {"name": "type", "type": "string"},
        {"name": "m0", "type": "child<filter-mirror>"},
        {"name": "comp0", "type": "child<colo-compare>"},
        {"name": "iothread1", "type": "child<iothread>"},
        {"name": "rew0", "type": "child<filter-rewriter>"},
    ],
    "/objects/m0": [
        {"name": "type", "type": "string"},
        {"name": "outdev", "type": "string", "description": "where each packet's copy goes (the id of a chardev)"},
        {"name": "status", "type": "string", "description": _described(STATUS)},
    ],
    "/objects/comp0": [
        {"name": "compare_timeout", "type": "int", "description": _described(TIMEOUT)},
        {"name": "ack_commit", "type": "bool", "description": _described(COMMIT)},
        {"name": "on_divergence", "type": "string", "description": _described(ON_DIVERGENCE)},
    ],
    "/objects/iothread1": [{"name": "type", "type": "string"}],
    "/objects/rew0": [{"name": "type", "type": "string"}],
}
VALUES = {"status": "on", "compare_timeout": 3000, "ack_commit": True, "on_divergence": "checkpoint"}


def _list(given: dict[str, Any]) -> Any:
    if given["path"] not in TREE:
        raise Refused("qom-list", "DeviceNotFound", f"Device '{given['path']}' not found")
    return TREE[given["path"]]


def a_server(**answers: Any) -> CannedServer:
    orders = ("qom-set", "object-add", "chardev-add", "netdev_add", "device_add")
    orders += ("object-del", "chardev-remove", "netdev_del", "device_del")
    given = {"qom-list": _list, "qom-get": lambda asked: VALUES[asked["property"]], "query-qmp-schema": SCHEMA}
    server = CannedServer()
    server.answers |= {name: {} for name in orders} | given
    server.answers |= {name.replace("_", "-", 1): answer for name, answer in answers.items()}
    return server

"""A canned server that keeps what is added and removed: a survivor, and a primary without its parts."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from colo_twisted.ctl.errors import Refused
from colo_twisted.ctl.left_over import Seen
from colo_twisted.ctl.naming import Thing
from colo_twisted.ctl.resume_plan import Plan
from tests.ctl.canned import CHAINS, REPLICA, CannedServer
from tests.ctl.schema import SCHEMA
from tests.ctl.survivor import ALONE, SURVIVORS_CHAIN, TAKEN_OVER

Row = dict[str, Any]


def redirector(**channel: str) -> Row:
    return {"vnet_hdr_support": True, "status": "off", **channel}


PEER = {
    "chardev": "peer0",
    "role": "secondary",
    "state-file": "/var/lib/colo/b.state",
    "fence": "/etc/colo/fence 'a host', b",
    "fence-timeout": 30_000,
    "interval": 20,
    "timeout": 500,
    "direct": {},
    "announce": False,
    "guest-watch": "",
    "checkpoint-state": "/etc/colo/state",
}
PEERS_DEFAULTS = {"fence-timeout": 30_000, "interval": 100, "timeout": 500, "announce": True}
OBJECTS: dict[str, tuple[str, Row]] = {
    "gate0": ("filter-drop", {"status": "off"}),
    "f1": ("filter-redirector", redirector(indev="red0")),
    "f2": ("filter-redirector", redirector(outdev="red1")),
    "d0": ("filter-dump", {"status": "off"}),
    "rew0": ("filter-rewriter", {"vnet_hdr_support": True, "status": "on"}),
    "cp0": ("colo-peer", PEER),
}
CHARDEVS = [
    {"label": "red0", "filename": "disconnected:tcp:10.22.1.2:9003", "used-by": "filter-redirector 'f1'"},
    {"label": "red1", "filename": "disconnected:tcp:10.22.1.2:9004", "used-by": "filter-redirector 'f2'"},
    {"label": "peer0", "filename": "disconnected:tcp:10.22.1.2:9105", "used-by": "colo-peer 'cp0'"},
    {"label": "spy", "filename": "tcp:0.0.0.0:7000,server=on", "used-by": "filter-dump 'd0'"},
    {"label": "spare", "filename": "disconnected:unix:/run/spare,server=on"},
]
PRIMARYS_OBJECTS = {"cp0": ("colo-peer", {**PEER, "role": "primary"})}
PRIMARYS_CHARDEVS = [
    {"label": "mirror0", "filename": "tcp:[fd00::1]:9203,server=on <-> [fd00::2]:4000"},
    {"label": "compare1", "filename": "disconnected:tcp:[fd00::1]:9204,server=on"},
    {"label": "peer0", "filename": "disconnected:tcp:[fd00::1]:9205,server=on", "used-by": "colo-peer 'cp0'"},
    {"label": "compare0", "filename": "pair:compare0-0"},
    {"label": "compare0-0", "filename": "pair:compare0"},
    {"label": "compare_out", "filename": "pair:compare_out0", "used-by": "filter-dump 'd9'"},
    {"label": "compare_out0", "filename": "pair:compare_out"},
]

CHANNELS = ("chardev", "indev", "outdev", "primary_in", "secondary_in")
BARE: dict[str, Any] = {**CHAINS[0], "filters": []}
NO_REPLICA = {**TAKEN_OVER, "state": "none", "peer": None}


def seen(replica: Any, chain: Any, chardevs: Any, objects: Any) -> Seen:
    things = [Thing("object", id, type) for id, (type, _) in objects.items()]
    things += [Thing("chardev", row["label"], "chardev") for row in chardevs]
    things += [Thing("netdev", "hn0", "netdev"), Thing("device", "e0", "device")]
    properties = {id: values for id, (_, values) in objects.items()}
    return Seen(replica, [chain], list(chardevs), things, properties, PEERS_DEFAULTS)


SURVIVOR = seen(TAKEN_OVER, SURVIVORS_CHAIN, CHARDEVS, OBJECTS)
PRIMARY = seen(ALONE, BARE, PRIMARYS_CHARDEVS, PRIMARYS_OBJECTS)
PLAIN = seen(NO_REPLICA, BARE, [], {})


def added(planned: Plan) -> dict[str, str]:
    return {step.id: step.words[2] for step in planned.additions if step.words[0] == "add"}


class Resumable(CannedServer):
    """
    ``there`` has the ids of objects and chardevs; ``fail`` raises instead of an answer, by the order's number.

    ``states`` are the replica's, one for each look once the comparer is there; the last one stays.
    """

    def __init__(self, *states: str, primary: bool = False) -> None:
        super().__init__()
        self.objects = copy.deepcopy(PRIMARYS_OBJECTS if primary else OBJECTS)
        self.chardevs = [dict(row) for row in (PRIMARYS_CHARDEVS if primary else CHARDEVS)]
        self.fail: dict[int, Callable[[], Exception]] = {}
        self._numbers = itertools.count()
        self._states = [*states] or ["synced"]
        self.answers |= {
            "query-colo-replica": lambda _: self._replica(),
            "query-chain": lambda _: [self._chain()],
            "query-chardev": lambda _: self.chardevs,
            "query-qmp-schema": SCHEMA,
            "qom-list": self._list,
            "qom-get": lambda given: self.objects[given["path"].rpartition("/")[2]][1][given["property"]],
            "object-add": self._add_object,
            "object-del": self._remove_object,
            "chardev-add": self._add_chardev,
            "chardev-remove": self._remove_chardev,
            "qom-set": self._set,
        }

    @property
    def there(self) -> set[str]:
        return {*self.objects, *(row["label"] for row in self.chardevs)}

    def lines(self) -> list[str]:
        """What was ordered, each in a word or two."""
        return [
            f"{name} {given.get('id') or given['path'][9:] + '=' + given['value']}" for name, given in self.orders()
        ]

    def _count(self) -> Row:
        if (why := self.fail.pop(next(self._numbers), None)) is not None:
            raise why()
        return {}

    def _replica(self) -> Row:
        if "comp0" not in self.objects:
            return TAKEN_OVER
        return {**REPLICA, "state": self._states.pop(0) if len(self._states) > 1 else self._states[0]}

    def _chain(self) -> Row:
        """Each filter that was added stands before the rewriter, after those that were added earlier."""
        rows = [row for row in SURVIVORS_CHAIN["filters"] if row["id"] in self.objects]
        known = {id: made for id, made in self.objects.items() if id not in OBJECTS and made[0].startswith("filter-")}
        rows[-1:-1] = [
            {"id": id, "type": type, "queue": given["queue"], "status": given["status"]}
            for id, (type, given) in known.items()
        ]
        return {**SURVIVORS_CHAIN, "filters": rows}

    def statuses(self) -> dict[str, str]:
        """Of the filters, from the network's end on."""
        return {row["id"]: row["status"] for row in self._chain()["filters"]}

    def _list(self, given: Row) -> list[Row]:
        if given["path"] == "/objects":
            return [{"name": id, "type": f"child<{type}>"} for id, (type, _) in self.objects.items()]
        type, properties = self.objects[given["path"].rpartition("/")[2]]
        defaults = PEERS_DEFAULTS if type == "colo-peer" else {}
        known = [{"name": "type", "type": "string"}, *({"name": name, "type": "string"} for name in properties)]
        return [row | ({"default-value": defaults[row["name"]]} if row["name"] in defaults else {}) for row in known]

    def _add_object(self, given: Row) -> Row:
        self._count()
        assert given["id"] not in self.there
        self.objects[given["id"]] = (given["qom-type"], dict(given))
        for row in self.chardevs:
            if row["label"] in [given.get(name) for name in CHANNELS]:
                assert "used-by" not in row
                row["used-by"] = f"{given['qom-type']} '{given['id']}'"
        return {}

    def _set(self, given: Row) -> Row:
        self._count()
        self.objects[given["path"].rpartition("/")[2]][1][given["property"]] = given["value"]
        return {}

    def _remove_object(self, given: Row) -> Row:
        self._count()
        if given["id"] not in self.objects:
            raise Refused("object-del", "GenericError", f"object '{given['id']}' not found")
        del self.objects[given["id"]]
        for row in self.chardevs:
            if f"'{given['id']}'" in row.get("used-by", ""):
                del row["used-by"]
        return {}

    def _add_chardev(self, given: Row) -> Row:
        self._count()
        ids = [given["id"], *([given["backend"]["data"]["peer"]] if given["backend"]["type"] == "pair" else [])]
        assert not self.there & {*ids}
        self.chardevs += [{"label": id, "filename": f"pair:{ids[at - 1]}"} for at, id in enumerate(ids)]
        return {}

    def _remove_chardev(self, given: Row) -> Row:
        self._count()
        row = next((row for row in self.chardevs if row["label"] == given["id"]), None)
        if row is None:
            raise Refused("chardev-remove", "GenericError", f"Chardev '{given['id']}' not found")
        assert "used-by" not in row
        gone = {row["label"], row["filename"].removeprefix("pair:")}
        self.chardevs = [row for row in self.chardevs if row["label"] not in gone]
        return {}

"""The same questions to a real QEMU and to us: what is answered alike, and how the two schemas fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Colo
from tests.support.qemu import QEMU, QMP

PARTS = [
    *("-chardev", "socket,id=c0,path=c0.sock,server=on,wait=off"),
    *("-chardev", "socket,id=c1,host=127.0.0.1,port=0,server=on,wait=off"),
    *("-chardev", "null,id=n0"),
    *("-netdev", "stream,id=hp0,server=on,addr.type=unix,addr.path=hp0.sock"),
    *("-object", "iothread,id=i0"),
    *("-name", "both"),
]

Arguments = dict[str, Any]
Answer = dict[str, Any]

MIRROR = {"qom-type": "filter-mirror", "netdev": "hp0", "outdev": "c0", "queue": "tx", "id": "m0"}
OTHER = {**MIRROR, "id": "m1", "outdev": "c1"}
BUFFER = {"qom-type": "filter-buffer", "netdev": "hp0", "interval": 1000, "id": "b0"}
REDIRECTOR = {"qom-type": "filter-redirector", "netdev": "hp0", "id": "r0"}
ROUNDS = {"initial": 50, "max": 550, "rounds": 2, "step": 50}


def socket(addr: Any, **data: Any) -> Arguments:
    return {"id": "c9", "backend": {"type": "socket", "data": {"addr": addr, **data}}}


def inet(**data: Any) -> Arguments:
    return {"type": "inet", "data": {"host": "127.0.0.1", **data}}


def unix(path: str) -> Arguments:
    return {"type": "unix", "data": {"path": path}}


def set_of(object: str, property: str, value: Any) -> tuple[str, Arguments]:
    return "qom-set", {"path": f"/objects/{object}", "property": property, "value": value}


def get_of(path: str, property: str) -> tuple[str, Arguments]:
    return "qom-get", {"path": path, "property": property}


def human(line: str) -> tuple[str, Arguments]:
    return "human-monitor-command", {"command-line": line}


Question = tuple[str, Arguments]

# in this order, so that what one adds the next finds; answers are equal, and our errors begin with QEMU's words
ALIKE: list[Question] = [
    ("query-name", {}),
    ("query-colo-status", {}),
    ("query-status", {}),
    ("nonsense", {}),
    ("query-version", {"x": 1}),
    ("x-colo-lost-heartbeat", {}),
    # objects
    ("object-add", MIRROR),
    ("object-add", MIRROR),
    ("object-add", {**MIRROR, "id": "m1"}),
    ("object-add", {**MIRROR, "id": "m1", "outdev": "nope"}),
    ("object-add", {**OTHER, "queue": "up"}),
    ("object-add", {**OTHER, "insert": "nope"}),
    ("object-add", {**OTHER, "status": True}),
    ("object-add", {**OTHER, "vnet_hdr_support": "on"}),
    ("object-add", {**OTHER, "outdev": 5}),
    ("object-add", {**OTHER, "outdev": None}),
    ("object-add", {**OTHER, "netdev": {"a": 1}}),
    ("object-add", {**OTHER, "netdev": "no"}),
    ("object-add", {**OTHER, "id": 5}),
    ("object-add", {**OTHER, "nope": 1}),
    ("object-add", {"id": "x"}),
    ("object-add", {"qom-type": 5, "id": "x"}),
    ("object-add", {"qom-type": "nope", "id": "x"}),
    ("object-add", {"qom-type": "filter-mirror"}),
    ("object-add", {"qom-type": "filter-mirror", "id": "x", "netdev": "hp0"}),
    ("object-add", {"qom-type": "filter-buffer", "id": "b1", "netdev": "hp0"}),
    ("object-add", {**BUFFER, "insert": "before", "position": "id=m0", "status": "off"}),
    ("object-del", {"id": "no"}),
    ("object-del", {"id": 5}),
    ("object-del", {}),
    ("object-del", {"id": "b0", "x": 1}),
    # properties
    get_of("/objects/m0", "status"),
    get_of("m0", "status"),
    get_of("/objects/m0", "type"),
    get_of("/objects/m0", "netdev"),
    get_of("/objects/m0", "queue"),
    get_of("/objects/m0", "position"),
    get_of("/objects/m0", "insert"),
    get_of("/objects/m0", "outdev"),
    get_of("/objects/m0", "vnet_hdr_support"),
    get_of("/objects/b0", "interval"),
    get_of("/objects/b0", "position"),
    get_of("/objects", "m0"),
    get_of("/objects/m0", "nope"),
    get_of("/objects/no", "x"),
    get_of("no", "x"),
    get_of("/", "type"),
    get_of("/chardevs/c0", "type"),
    get_of("/chardevs/c0", "connected"),
    ("qom-get", {"path": "/"}),
    ("qom-get", {"path": 5, "property": "x"}),
    ("qom-get", {"path": "/objects/b0", "property": "interval", "x": 1}),
    set_of("m0", "status", "off"),
    get_of("/objects/m0", "status"),
    set_of("m0", "status", 5),
    set_of("m0", "status", True),
    set_of("m0", "type", "x"),
    set_of("m0", "nope", "x"),
    set_of("no", "status", "on"),
    set_of("b0", "interval", 2000),
    get_of("/objects/b0", "interval"),
    ("qom-set", {"path": "/objects/b0", "property": "interval"}),
    ("qom-list", {"path": "/nope"}),
    ("qom-list", {"path": ""}),
    ("qom-list", {"path": "/objects/m0/status"}),
    ("qom-list-types", {"implements": "nope"}),
    ("qom-list-properties", {"typename": "nope"}),
    # chardevs
    ("chardev-remove", {"id": "c0"}),
    ("chardev-remove", {"id": "no"}),
    ("chardev-remove", {}),
    ("chardev-add", {**socket(unix("x")), "id": "c0"}),
    ("chardev-add", socket(inet(port=7112))),
    ("chardev-add", socket(inet(port="7112", nope=1))),
    ("chardev-add", socket(inet(port="7112"), nope=1)),
    ("chardev-add", socket(inet(port="7112"), server="on")),
    ("chardev-add", {**socket(inet(port="7112")), "nope": 1}),
    ("chardev-add", socket(inet())),
    ("chardev-add", socket({"type": "unix", "data": {}})),
    ("chardev-add", socket({"type": "nope", "data": {}})),
    ("chardev-add", {"id": "c9", "backend": {"type": "socket", "data": {}}}),
    ("chardev-add", {"id": "c9", "backend": {"type": "socket"}}),
    ("chardev-add", {"id": "c9", "backend": {"type": "nope", "data": {}}}),
    ("chardev-add", {"id": "c9", "backend": {"data": {}}}),
    ("chardev-add", {"id": "c9", "backend": "socket"}),
    ("chardev-add", {"id": "c9"}),
    ("chardev-add", {"id": "n9", "backend": {"type": "null", "data": {"x": 1}}}),
    ("chardev-add", {"id": "n9", "backend": {"type": "null"}}),
    ("chardev-add", {"id": "n9", "backend": {"type": "null", "data": {}}}),
    ("chardev-add", socket(unix("c9.sock"))),
    ("chardev-remove", {"id": "c9"}),
    # netdevs
    ("netdev_add", {"type": "stream", "id": "st0", "server": True, "addr": {"type": "unix", "path": "st0.sock"}}),
    ("netdev_add", {"type": "stream", "id": "st0", "server": True, "addr": {"type": "unix", "path": "st1.sock"}}),
    ("netdev_add", {"type": "stream", "id": "st1", "addr": {"type": "unix"}}),
    ("netdev_add", {"type": "stream", "id": "st1"}),
    ("netdev_add", {"type": "stream", "id": "st1", "addr": {"type": "nope"}}),
    ("netdev_add", {"type": "stream", "id": "st1", "addr": {"type": "inet", "host": "h", "port": 7114}}),
    ("netdev_add", {"type": "stream", "id": "st1", "addr": {"type": "inet", "host": "h", "port": "1", "x": 1}}),
    ("netdev_add", {"type": "stream", "id": "st1", "addr.type": "inet"}),
    ("netdev_add", {"type": "nope", "id": "st1"}),
    ("netdev_add", {"id": "st1"}),
    ("netdev_add", {"type": "stream"}),
    ("netdev_add", {"type": "tap", "id": "t0", "vhost": "on"}),
    ("netdev_del", {"id": "st0"}),
    ("netdev_del", {"id": "no"}),
    # devices and links
    ("device_add", {"driver": "nope", "netdev": "hp0"}),
    ("device_add", {"netdev": "hp0"}),
    ("device_del", {"id": "no"}),
    ("device_del", {"id": "m0"}),
    ("set_link", {"name": "no", "up": True}),
    ("set_link", {"name": "hp0", "up": "x"}),
    ("set_link", {"name": "hp0"}),
    # announcing
    ("announce-self", {}),
    ("announce-self", ROUNDS),
    ("announce-self", {**ROUNDS, "interfaces": "x"}),
    ("announce-self", {**ROUNDS, "interfaces": ["x"], "id": "i"}),
    # for people
    human("info status"),
    human("info name"),
    human("foo"),
    human("info foo"),
    human("help foo"),
    human(""),
    human("  "),
    human("info network x"),
    human("info qom-tree /nope"),
    ("human-monitor-command", {}),
    ("human-monitor-command", {"command-line": 5}),
    # away again
    ("object-del", {"id": "b0"}),
    ("object-del", {"id": "m0"}),
    ("chardev-remove", {"id": "c0"}),
]

# refused by both, each in its own words
IN_OWN_WORDS: list[Question] = [
    ("object-add", {**OTHER, "status": "maybe"}),
    ("object-add", {**OTHER, "position": "nope"}),
    ("object-add", {**OTHER, "position": "id=nope"}),
    ("object-add", {**BUFFER, "interval": 0}),
    ("object-add", {**BUFFER, "interval": -1}),
    ("object-add", {**BUFFER, "interval": 1.5}),
    ("object-add", {**BUFFER, "interval": 10**10}),
    ("object-add", REDIRECTOR),
    ("object-add", {**REDIRECTOR, "indev": "c1", "outdev": "c1"}),
    ("object-add", {**BUFFER, "id": "2bad"}),
    set_of("i0", "poll-max-ns", "x"),
    ("chardev-add", socket(unix("/nope/x"))),
    ("chardev-add", socket(unix("x"), reconnect=1)),
    ("chardev-add", socket({"type": "fd", "data": {"str": "77"}})),
]


@dataclass
class Both:
    qemu: QEMU
    ours: QMP

    def ask(self, question: Question) -> tuple[Answer, Answer]:
        """QEMU's answer, and ours."""
        return self.qemu.ask(*question), self.ours.ask(*question)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The same command line for each, each in its own folder."""
    folder = tmp_path_factory.mktemp("alike")
    folders = [folder / "qemu", folder / "ours"]
    for each in folders:
        each.mkdir()
    with QEMU(PARTS, folders[0]) as qemu, Colo(PARTS, folders[1]) as colo:
        ours = QMP(Path(colo.control))
        try:
            yield Both(qemu, ours)
        finally:
            ours.close()


def assert_alike(theirs: Answer, ours: Answer) -> None:
    if "return" in theirs:
        assert ours == theirs
    else:
        assert "error" in ours, ours
        assert ours["error"]["class"] == theirs["error"]["class"]
        assert ours["error"]["desc"].startswith(theirs["error"]["desc"])


def test_answers_are_alike(both: Both) -> None:
    for question in ALIKE:
        theirs, ours = both.ask(question)
        try:
            assert_alike(theirs, ours)
        except AssertionError:
            raise AssertionError(f"{question}\n  QEMU: {theirs}\n  ours: {ours}") from None


@pytest.mark.parametrize("question", IN_OWN_WORDS, ids=[f"{name} {given}" for name, given in IN_OWN_WORDS])
def test_what_qemu_refuses_is_refused(both: Both, question: Question) -> None:
    theirs, ours = both.ask(question)
    assert "error" in theirs
    assert ours["error"]["class"] == theirs["error"]["class"]


def test_chardevs_are_shown_alike(both: Both) -> None:
    shown = []
    for answer in both.ask(("query-chardev", {})):
        rows = {row["label"]: row for row in answer["return"] if row["label"] in ("c1", "n0", "compat_monitor0")}
        assert rows["n0"]["filename"] == "null"
        assert rows["c1"]["filename"].startswith("disconnected:tcp:127.0.0.1:")
        assert rows["c1"]["filename"].endswith(",server=on")
        shown.append({label: row["frontend-open"] for label, row in rows.items()})
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "type", ["filter-mirror", "filter-redirector", "filter-buffer", "filter-dump", "filter-rewriter"]
)
def test_types_have_qemus_properties(both: Both, type: str) -> None:
    """QEMU 7.2 aborts when it is asked for colo-compare's."""
    theirs, ours = (
        {row["name"]: row["type"] for row in answer["return"]}
        for answer in both.ask(("qom-list-properties", {"typename": type}))
    )
    assert theirs.pop("queue") == "NetFilterDirection"
    assert theirs.items() <= ours.items()


# the schemas


class Schema:
    """A server's answer to query-qmp-schema, by name."""

    def __init__(self, rows: list[Answer]) -> None:
        self.rows = {row["name"]: row for row in rows}

    def members(self, type: str) -> dict[str, Answer]:
        return {member["name"]: member for member in self.rows[type]["members"]}

    def variants(self, type: str) -> dict[str, str]:
        return {variant["case"]: variant["type"] for variant in self.rows[type].get("variants", ())}

    def json_types(self, type: str) -> set[str]:
        """What a value can be in JSON."""
        row = self.rows[type]
        if row["meta-type"] == "alternate":
            return set().union(*(self.json_types(member["type"]) for member in row["members"]))
        return {{"enum": "string", "builtin": row.get("json-type")}.get(row["meta-type"], row["meta-type"])}


@pytest.fixture(scope="module")
def schemas(both: Both) -> tuple[Schema, Schema]:
    theirs, ours = (Schema(answer["return"]) for answer in both.ask(("query-qmp-schema", {})))
    return theirs, ours


NOT_QEMUS = {"query-stats"}  # has another meaning there: the statistics of virtual CPUs
# what has no meaning here, of addresses, sockets and iothreads
LEFT_OUT = {
    *("numeric", "keep-alive", "mptcp", "tight"),
    *("logfile", "logappend", "tn3270"),
    *("thread-pool-min", "thread-pool-max"),
}


def assert_takes(schemas: tuple[Schema, Schema], types: tuple[str, str], where: str) -> None:
    """What QEMU takes is taken: its members, of its JSON types; and no other is required."""
    theirs, ours = schemas
    given, taken = theirs.members(types[0]), ours.members(types[1])
    for name, member in given.items():
        if name in LEFT_OUT - set(taken):
            continue
        assert name in taken, f"{where}: {name}"
        inner = member["type"], taken[name]["type"]
        kinds, wanted = theirs.json_types(inner[0]), ours.json_types(inner[1])
        assert kinds <= wanted or wanted == {"value"} or {*kinds, *wanted} == {"int", "string"}, f"{where}: {name}"
        if kinds == {"object"}:
            assert_takes(schemas, inner, f"{where}.{name}")
    required = {name for name, member in taken.items() if "default" not in member}
    assert required <= {name for name, member in given.items() if "default" not in member}, where
    cases = ours.variants(types[1])
    for case, variant in theirs.variants(types[0]).items():
        if case in cases:
            assert_takes(schemas, (variant, cases[case]), f"{where} {case}")


def test_what_qemus_commands_take_ours_take(schemas: tuple[Schema, Schema]) -> None:
    theirs, ours = schemas
    common = {name for name, row in ours.rows.items() if row["meta-type"] == "command" and name in theirs.rows}
    assert len(common) > 20
    for name in common - NOT_QEMUS - {"device_add"}:
        assert_takes(schemas, (theirs.rows[name]["arg-type"], ours.rows[name]["arg-type"]), name)


def test_what_qemus_commands_and_events_say_ours_say(schemas: tuple[Schema, Schema]) -> None:
    theirs, ours = schemas
    entries = [(name, row) for name, row in ours.rows.items() if row["meta-type"] in ("command", "event")]
    for name, row in entries:
        if name in theirs.rows and name not in NOT_QEMUS:
            key = "ret-type" if row["meta-type"] == "command" else "arg-type"
            assert_says(schemas, (theirs.rows[name][key], row[key]), name)


def assert_says(schemas: tuple[Schema, Schema], types: tuple[str, str], where: str) -> None:
    """What QEMU always says, ours says too, of the same JSON type; where ours is 'value' it may be anything."""
    theirs, ours = schemas
    kinds = theirs.json_types(types[0]), ours.json_types(types[1])
    assert kinds[0] == kinds[1] or "value" in kinds[1], where
    if kinds[1] == {"array"}:
        elements = theirs.rows[types[0]]["element-type"], ours.rows[types[1]]["element-type"]
        assert_says(schemas, elements, f"{where}[]")
    elif kinds[1] == {"object"}:
        said = ours.members(types[1])
        for name, member in theirs.members(types[0]).items():
            if "default" not in member:
                assert "default" not in said[name], f"{where}: {name}"
                assert_says(schemas, (member["type"], said[name]["type"]), f"{where}.{name}")


def test_entries_have_qemus_members(schemas: tuple[Schema, Schema]) -> None:
    """Each meta-type's entries have the keys that QEMU's have."""
    theirs, ours = schemas
    keys = {row["meta-type"]: set(row) - {"features", "tag", "variants", "allow-oob"} for row in theirs.rows.values()}
    for row in ours.rows.values():
        assert set(row) - {"tag", "variants"} == keys[row["meta-type"]]

"""qom-list, qom-get, qom-set and the types, in QEMU's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.asking import Client, a_client
from tests.support.fakes import batch_of, packet

LINE = (
    "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0 -chardev fake,id=c0"
    " -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0 -object iothread,id=i0"
)


@pytest.fixture
def client() -> Client:
    return a_client(LINE)


def named(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["name"]: row["type"] for row in rows}


def test_the_root_has_what_qemus_has(client: Client) -> None:
    assert named(client("qom-list", path="/")) == {
        "type": "string",
        "machine": "child<colo-machine>",
        "objects": "child<container>",
        "chardevs": "child<container>",
    }
    assert named(client("qom-list", path="/objects")) == {
        "type": "string",
        "m0": "child<filter-mirror>",
        "i0": "child<iothread>",
    }
    assert named(client("qom-list", path="/chardevs")) == {"type": "string", "c0": "child<chardev-fake>"}


def test_an_objects_properties_are_named_typed_and_explained(client: Client) -> None:
    rows = client("qom-list", path="m0")
    assert named(rows) == {
        "type": "string",
        "netdev": "string",
        "queue": "string",
        "status": "string",
        "position": "string",
        "insert": "string",
        "outdev": "string",
        "vnet_hdr_support": "bool",
        "max_backlog": "size",
    }
    (status,) = (row for row in rows if row["name"] == "status")
    assert status["default-value"] == "on"
    assert status["description"] == "off: as if it weren't there (on or off; can be changed (qom-set))"
    (netdev,) = (row for row in rows if row["name"] == "netdev")
    assert "default-value" not in netdev


def test_values_are_read_by_path(client: Client) -> None:
    assert client("qom-get", path="/objects/m0", property="status") == "on"
    assert client("qom-get", path="m0", property="type") == "filter-mirror"
    assert client("qom-get", path="/objects", property="m0") == "/objects/m0"
    assert client("qom-get", path="/chardevs/c0", property="connected") is True
    assert client.error("qom-get", path="m0", property="nope") == "Property 'filter-mirror.nope' not found"
    assert client.error("qom-get", path="/objects/no", property="x") == "DeviceNotFound: Device '/objects/no' not found"


def test_a_filter_is_switched_while_frames_pass(client: Client) -> None:
    house = client.house
    assert client("qom-set", path="/objects/m0", property="status", value="off") == {}
    assert client("qom-get", path="/objects/m0", property="status") == "off"
    house.netdev("hn0").receive(batch_of(packet("one")))
    client("qom-set", path="m0", property="status", value="on")
    house.netdev("hn0").receive(batch_of(packet("two")))
    assert house.chardev("c0").packets == [packet("two")]


def test_a_limit_is_set_as_a_number_or_with_a_unit(client: Client) -> None:
    for value, bytes in ((1 << 20, 1 << 20), ("2M", 2 << 20)):
        client("qom-set", path="m0", property="max_backlog", value=value)
        assert client("qom-get", path="m0", property="max_backlog") == bytes


@pytest.mark.parametrize(
    ("path", "property", "value", "text"),
    [
        ("m0", "status", "maybe", "Parameter 'status' does not accept value 'maybe' (allowed: on or off)"),
        ("m0", "status", True, "Invalid parameter type for 'status', expected: string"),
        ("m0", "status", None, "Invalid parameter type for 'status', expected: string"),
        ("m0", "max_backlog", 1, "Parameter 'max_backlog' does not accept value '1'"),
        ("m0", "nope", "x", "Property 'filter-mirror.nope' not found"),
        ("m0", "type", "x", "Property 'filter-mirror.type' is not writable while it runs (these are: status"),
        ("m0", "netdev", "x", "Property 'filter-mirror.netdev' is not writable while it runs (these are: status"),
        ("i0", "poll-grow", "x", "Property 'iothread.poll-grow' is not writable"),
        ("/chardevs/c0", "connected", True, "Property 'chardev-fake.connected' is not writable"),
        ("/objects/no", "status", "on", "DeviceNotFound: Device '/objects/no' not found"),
    ],
)
def test_what_cannot_be_set_is_said(client: Client, path: str, property: str, value: Any, text: str) -> None:
    assert client.error("qom-set", path=path, property=property, value=value).startswith(text)
    assert client("qom-get", path="m0", property="status") == "on"


def test_types_can_be_listed_by_what_they_are(client: Client) -> None:
    filters = client("qom-list-types", implements="netfilter")
    assert {"name": "filter-redirector", "parent": "netfilter"} in filters
    assert {"name": "netfilter", "parent": "object", "abstract": True} not in filters
    with_abstract = client("qom-list-types", implements="netfilter", abstract=True)
    assert {"name": "netfilter", "parent": "object", "abstract": True} in with_abstract
    creatable = {row["name"] for row in client("qom-list-types", implements="user-creatable")}
    assert {"filter-mirror", "colo-compare", "iothread"} <= creatable
    assert "chardev-socket" not in creatable
    assert client("qom-list-types", implements="nope") == []
    assert creatable < {row["name"] for row in client("qom-list-types")}


def test_a_types_properties_are_those_of_its_objects(client: Client) -> None:
    assert client("qom-list-properties", typename="filter-mirror") == client("qom-list", path="m0")
    chardev = named(client("qom-list-properties", typename="chardev-socket"))
    assert (chardev["connected"], chardev["host"]) == ("bool", "string")
    assert client("qom-list-properties", typename="netfilter") == [{"name": "type", "type": "string"}]
    assert client.error("qom-list-properties", typename="nope") == "DeviceNotFound: Class 'nope' not found"

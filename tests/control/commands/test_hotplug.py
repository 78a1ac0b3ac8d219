"""Adding and removing while frames pass, by command; what happens to the frames is tests/machine's."""

from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.events import Event
from tests.support.asking import Client, a_client
from tests.support.fakes import batch_of, packet

CABLE = "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0 -chardev fake,id=c0"
MIRROR = {"qom-type": "filter-mirror", "id": "m0", "netdev": "hn0", "queue": "tx", "outdev": "c0"}
PAIR = {"id": "p0", "backend": {"type": "pair", "data": {"peer": "p1"}}}


@pytest.fixture
def client() -> Client:
    return a_client(CABLE)


def filters(client: Client) -> list[str]:
    (chain,) = client("query-chain")
    return [row["id"] for row in chain["filters"]]


def test_an_object_comes_and_goes(client: Client) -> None:
    assert client("object-add", MIRROR) == {}
    client.house.netdev("hn0").receive(batch_of(packet("one")))
    assert client("object-del", id="m0") == {}
    client.house.netdev("hn0").receive(batch_of(packet("two")))
    assert client.house.chardev("c0").packets == [packet("one")]
    assert filters(client) == []


def test_the_documents_lines_for_a_secondary_that_becomes_primary(client: Client) -> None:
    """Filters are put before the rewriter that stays."""
    client("object-add", {"qom-type": "filter-rewriter", "id": "rew0", "netdev": "hn0"})
    where = {"insert": "before", "position": "id=rew0"}
    client("object-add", {"qom-type": "filter-mirror", "id": "m0", "props": {**_mirror_props(), **where}})
    client("chardev-add", PAIR)
    for id, end in (("redire0", {"indev": "p0"}), ("redire1", {"outdev": "p1"})):
        arguments = {"qom-type": "filter-redirector", "id": id, "netdev": "hn0", "queue": "rx", **end, **where}
        client("object-add", arguments)
    assert filters(client) == ["m0", "redire0", "redire1", "rew0"]


def _mirror_props() -> dict[str, Any]:
    return {name: MIRROR[name] for name in ("netdev", "queue", "outdev")}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"id": "m1"}, "Device 'c0' is in use"),
        ({}, "attempt to add duplicate property 'm0' to object (type 'container')"),
        ({"id": "m1", "outdev": "nope"}, "DeviceNotFound: Device 'nope' not found"),
        ({"id": "m1", "netdev": "nope"}, "Parameter 'netdev' expects a network backend id"),
        (
            {"id": "m1", "outdev": "n0", "position": "id=nope"},
            "filter 'nope' not found",
        ),
        ({"id": "m1", "queue": "up"}, "Parameter 'queue' does not accept value 'up'"),
    ],
)
def test_an_object_that_cannot_be_made_leaves_nothing(client: Client, change: dict[str, Any], text: str) -> None:
    client("object-add", MIRROR)
    client("chardev-add", {"id": "n0", "backend": {"type": "null", "data": {}}})
    assert client.error("object-add", {**MIRROR, **change}).startswith(text)
    assert filters(client) == ["m0"]
    client("chardev-remove", id="n0")


def test_a_chardev_comes_and_goes_with_its_other_end(client: Client) -> None:
    assert client("chardev-add", PAIR) == {}
    assert [row["label"] for row in client("query-chardev")] == ["c0", "p0", "p1"]
    assert client.error("chardev-add", PAIR) in [f"Chardev with id '{id}' already exists" for id in ("p0", "p1")]
    assert client("chardev-remove", id="p1") == {}
    assert [row["label"] for row in client("query-chardev")] == ["c0"]


def test_a_chardev_in_use_stays(client: Client) -> None:
    client("object-add", MIRROR)
    assert client.error("chardev-remove", id="c0").startswith("Chardev 'c0' is busy")
    client("object-del", id="m0")
    assert client("chardev-remove", id="c0") == {}


def test_a_netdev_and_a_device_come_and_go(client: Client) -> None:
    told: list[Event] = []
    client.house.machine.events.subscribe(told.append)
    for id in ("hn1", "g1"):
        client("netdev_add", type="fake", id=id)
    assert client.error("netdev_add", type="fake", id="hn1") == "Duplicate ID 'hn1'"
    client("device_add", {"driver": "e1000", "id": "e1", "netdev": "hn1", "guest": "g1", "mac": "52:54:00:12:34:56"})
    client.house.netdev("hn1").receive(batch_of(packet("one")))
    assert client.house.netdev("g1").packets == [packet("one")]
    assert client.error("netdev_del", id="hn1").startswith("Device 'hn1' is in use")
    assert client("device_del", id="e1") == {}
    assert [event.data for event in told] == [{"device": "e1", "path": "/machine/peripheral/e1"}]
    for id in ("hn1", "g1"):
        assert client("netdev_del", id=id) == {}
    assert list(client.house.machine.netdevs) == ["hn0", "g0"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("object-del", "object 'no' not found"),
        ("chardev-remove", "Chardev 'no' not found"),
        ("netdev_del", "DeviceNotFound: Device 'no' not found"),
        ("device_del", "DeviceNotFound: Device 'no' not found"),
    ],
)
def test_what_is_not_there_cannot_be_removed(client: Client, command: str, text: str) -> None:
    assert client.error(command, id="no") == text


def test_types_that_are_not_there(client: Client) -> None:
    assert client.error("device_add", driver="nope", netdev="hn0") == "'nope' is not a valid device model name"
    assert client.error("object-add", {"qom-type": "nope", "id": "x"}).startswith(
        "Parameter 'qom-type' does not accept value 'nope'"
    )
    assert client.error("netdev_add", type="nope", id="x").startswith("Parameter 'type' does not accept value 'nope'")
    assert client.error("chardev-add", id="x", backend={"type": "nope", "data": {}}).startswith(
        "Parameter 'type' does not accept value 'nope'"
    )


def test_a_link_is_cut_and_mended(client: Client) -> None:
    network, guest = client.house.netdev("hn0"), client.house.netdev("g0")
    assert client("set_link", name="hn0", up=False) == {}
    network.receive(batch_of(packet("one")))
    client("set_link", name="hn0", up=True)
    network.receive(batch_of(packet("two")))
    assert guest.packets == [packet("two")]
    assert client.error("set_link", name="no", up=True) == "DeviceNotFound: Device 'no' not found"

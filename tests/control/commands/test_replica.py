"""What a client is told of the replica, of connections and of divergences."""

from __future__ import annotations

import base64

import pytest

from tests.control.commands.test_colo import CABLE, COMPARE
from tests.support.asking import Client, a_client
from tests.support.fakes import batch_of
from tests.support.segments import ACK, SYN, Address, Segment

GUEST = Address.of("52:54:00:00:00:02", "10.0.0.2", 80)
SECONDARY = (
    f"{CABLE} -chardev fake,id=red0 -chardev fake,id=red1"
    " -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0"
    " -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1 -object filter-rewriter,id=rew0,netdev=hn0"
)
PEER = "-chardev fake,id=peer0 -object colo-peer,id=p0,chardev=peer0"


def syn_ack(port: int) -> bytes:
    """The guest's, to a client of that port."""
    client = Address.of("52:54:00:00:00:01", "10.0.0.1", port)
    return Segment(1000, 500, SYN | ACK, mss=1460).packet(GUEST, client)


def data(port: int, payload: bytes) -> bytes:
    client = Address.of("52:54:00:00:00:01", "10.0.0.1", port)
    return Segment(1001, 500, ACK, payload=payload).packet(GUEST, client)


def connected(client: Client, *ports: int) -> None:
    """Both guests have answered these clients."""
    packets = [syn_ack(port) for port in ports]
    for chardev in ("pri", "sec"):
        client.house.chardev(chardev).deliver(batch_of(*packets))


def diverge(client: Client, port: int) -> None:
    client.house.chardev("pri").deliver(batch_of(data(port, b"one")))
    client.house.chardev("sec").deliver(batch_of(data(port, b"two")))


# query-colo-replica


def test_a_primary_says_what_it_holds() -> None:
    client = a_client(COMPARE)
    connected(client, 1, 2)
    client.house.chardev("pri").deliver(batch_of(data(1, b"one")))
    client.house.reactor.advance(1.5)
    replica = client("query-colo-replica")
    assert replica["held-bytes"] > 3
    del replica["held-bytes"], replica["problems"]
    assert replica == {
        "mode": "primary",
        "state": "synced",
        "reason": "",
        "since": 1.5,
        "id": "comp0",
        "channels": [
            {"name": "primary_in", "connected": True},
            {"name": "secondary_in", "connected": True},
            {"name": "outdev", "connected": True},
        ],
        "held-packets": 1,
        "unprotected-flows": 0,
        "connections": 2,
    }


def test_a_secondary_says_whether_its_chardevs_are_connected() -> None:
    client = a_client(SECONDARY)
    client.house.chardev("red1").connected = False
    replica = client("query-colo-replica")
    assert (replica["mode"], replica["state"]) == ("secondary", "none")
    assert replica["channels"] == [
        {"name": "f1.indev", "connected": True},
        {"name": "f2.outdev", "connected": False},
    ]
    assert "id" not in replica
    assert "peer" not in replica
    assert "connections" not in replica
    assert any("f2" in problem["what"] and problem["remedy"] for problem in replica["problems"])


def test_a_pairs_peer_is_shown() -> None:
    peer = a_client(f"{SECONDARY} {PEER},role=secondary")("query-colo-replica")["peer"]
    assert {name: peer[name] for name in ("id", "role", "connected")} == {
        "id": "p0",
        "role": "secondary",
        "connected": False,
    }
    assert a_client(f"{PEER},role=primary {COMPARE}")("query-colo-replica")["peer"]["role"] == "primary"


def test_checkpoints_are_counted_where_they_are_made() -> None:
    client = a_client(f"-chardev fake,id=xen {COMPARE},notify_dev=xen")
    client("colo-checkpoint")
    assert client("query-colo-replica")["checkpoint"] == {
        "phase": "making",
        "requested": 1,
        "done": 0,
        "failed": 0,
        "last-ms": 0,
    }


def test_without_a_pair_there_is_nothing_to_say() -> None:
    replica = a_client(CABLE)("query-colo-replica")
    assert (replica["mode"], replica["state"], replica["channels"]) == ("none", "none", [])


# query-colo-connections


def test_connections_come_a_page_at_a_time() -> None:
    client = a_client(COMPARE)
    connected(client, *range(1, 6))
    first = client("query-colo-connections", limit=2)
    assert (len(first["connections"]), first["total"], first["next"]) == (2, 5, 2)
    row = first["connections"][0]
    assert (row["state"], row["held-packets"], row["idle"]) == ("followed", 0, 0.0)
    assert ":80" in row["connection"] or " 80" in row["connection"]
    last = client("query-colo-connections", start=4, limit=2)
    assert (len(last["connections"]), last["total"]) == (1, 5)
    assert "next" not in last
    beyond = client("query-colo-connections", start=9)
    assert (beyond["connections"], "next" in beyond) == ([], False)


def test_on_a_secondary_they_are_the_rewriters() -> None:
    client = a_client(SECONDARY)
    client.house.netdev("g0").receive(batch_of(syn_ack(1)))
    for arguments in ({}, {"id": "rew0"}):
        answer = client("query-colo-connections", arguments)
        assert answer["total"] == len(answer["connections"])
        assert all(
            {"connection", "state", "sequence-offset", "timestamp-offset"} <= set(row) for row in answer["connections"]
        )


@pytest.mark.parametrize(
    ("line", "arguments", "text"),
    [
        (CABLE, {}, "which colo-compare? there is none"),
        (COMPARE, {"id": "no"}, "object 'no' not found"),
        (COMPARE, {"limit": 1001}, "Parameter 'limit' does not accept value '1001'"),
        (COMPARE, {"start": -1}, "Parameter 'start' does not accept value '-1'"),
    ],
)
def test_a_page_that_cannot_be_given(line: str, arguments: dict[str, object], text: str) -> None:
    assert a_client(line).error("query-colo-connections", arguments).startswith(text)


# query-colo-divergences


def test_divergences_come_with_their_evidence_if_asked_for() -> None:
    client = a_client(COMPARE)
    connected(client, 1, 2)
    diverge(client, 1)
    client.house.reactor.advance(0.5)
    diverge(client, 2)
    first, second = client("query-colo-divergences")
    assert (first["compare"], first["number"], first["kind"], first["ago"]) == ("comp0", 1, "payload", 0.5)
    assert (first["sequence"], first["offset"], first["description"]) == (1001, 0, "the payloads differ from byte 0 on")
    assert (second["number"], second["ago"]) == (2, 0.0)
    assert "primary" not in first
    (newest,) = client("query-colo-divergences", limit=1, packets=True, id="comp0")
    assert newest["number"] == 2
    assert base64.b64decode(newest["primary"]) == data(2, b"one")
    assert base64.b64decode(newest["secondary"]) == data(2, b"two")


def test_no_divergences_are_an_empty_list() -> None:
    assert a_client(CABLE)("query-colo-divergences") == []
    assert a_client(CABLE).error("query-colo-divergences", id="no") == "object 'no' not found"

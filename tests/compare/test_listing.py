"""The connections that a comparer knows, page by page."""

from __future__ import annotations

import pytest

from colo_twisted.packets.comparing.protection import NAMES
from tests.support.compare_bench import PEER, followed, segment
from tests.support.segments import ACK, FIN, SYN


def test_a_row_says_how_a_connection_stands() -> None:
    bench = followed()
    bench.open_connection()
    bench.wait(1)
    bench.primary(segment(101, b"one"))
    bench.wait(2)
    page = bench.compare.connections(0, 10)
    assert page.total == 1
    (row,) = page.rows
    assert row == {
        "connection": "TCP 10.0.0.2:80 to 10.0.0.1:40000",
        "state": "followed",
        "held-packets": 1,
        "held-bytes": bench.compare.held_bytes,
        "idle": pytest.approx(2),
    }
    assert row["held-bytes"] > 0
    assert (bench.compare.held_packets, bench.compare.held_bytes) == (1, row["held-bytes"])


def test_one_that_the_guest_has_ended_is_closing() -> None:
    bench = followed()
    bench.open_connection()
    bench.secondary(segment(101, flags=ACK | FIN))
    bench.primary(segment(101, flags=ACK | FIN))
    assert [row["state"] for row in bench.compare.connections(0, 10).rows] == ["closing"]


def test_the_secondarys_that_wait_are_held_too() -> None:
    bench = followed()
    bench.open_connection()
    bench.secondary(segment(101, b"one"), segment(104, b"two"))
    assert bench.compare.held_packets == bench.compare.connections(0, 1).rows[0]["held-packets"] == 2


def test_a_page_is_a_part_in_the_order_in_which_they_began() -> None:
    bench = followed()
    for port in range(40000, 40007):
        bench.open_connection(port)
    compare = bench.compare
    found = []
    for start in (0, 3, 6):
        page = compare.connections(start, 3)
        assert page.total == 7
        found += [row["connection"] for row in page.rows]
    assert found == [f"TCP 10.0.0.2:80 to 10.0.0.1:{port}" for port in range(40000, 40007)]
    assert compare.connections(7, 3).rows == []


def test_states_are_the_protections_names() -> None:
    bench = followed("", f"{PEER} -object colo-passthrough,id=pt0,protocol=tcp,source-port=40003")
    bench.primary(segment(500, b"mid-stream", port=40001))
    bench.house.object("peer0").answer()
    bench.primary(segment(500, b"mid-stream", port=40002))
    bench.primary(segment(100, flags=SYN | ACK, port=40003))
    bench.open_connection(port=40004)
    bench.primary(segment(101, b"one", port=40004))
    bench.secondary(segment(101, b"two", port=40004))
    bench.open_connection(port=40005)
    states = [row["state"] for row in bench.compare.connections(0, 10).rows]
    assert states == ["unprotected", "naming", "naming", "diverged", "followed"]
    assert set(states) < set(NAMES)
    bench.house.object("peer0").answer()
    assert [row["state"] for row in bench.compare.connections(1, 2).rows] == ["unprotected", "passed"]

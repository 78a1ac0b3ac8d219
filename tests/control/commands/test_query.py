"""Chardevs, chains and counters, as a client sees them."""

from __future__ import annotations

import os

import pytest

from colo_twisted.netdev import tap_properties
from colo_twisted.netdev.tap import Tap
from tests.support.asking import Client, a_client
from tests.support.fakes import batch_of, packet

CABLE = "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0"
MIRROR = "-object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0"


def test_a_chardev_is_as_qemu_shows_it_and_more() -> None:
    client = a_client(f"{CABLE} -chardev fake,id=c0 {MIRROR} -chardev null,id=n0")
    client.house.chardev("c0").backlog = 5
    first, second = client("query-chardev")
    assert first == {
        "label": "c0",
        "filename": "fake",
        "frontend-open": True,
        "connected": True,
        "peer": "a test",
        "backlog": 5,
        "used-by": "filter-mirror 'm0'",
    }
    assert second == {
        "label": "n0",
        "filename": "null",
        "frontend-open": False,
        "connected": True,
        "backlog": 0,
    }


def test_a_chain_has_its_filters_head_first() -> None:
    client = a_client(
        f"{CABLE} -chardev fake,id=c0 {MIRROR} -object filter-buffer,id=b0,netdev=hn0,interval=1,status=off"
        " -object filter-drop,id=d0,netdev=hn0,position=head,queue=rx,status=off"
    )
    (chain,) = client("query-chain")
    assert chain.pop("filters") == [
        {"id": "d0", "type": "filter-drop", "queue": "rx", "status": "off"},
        {"id": "m0", "type": "filter-mirror", "queue": "tx", "status": "on"},
        {"id": "b0", "type": "filter-buffer", "queue": "all", "status": "off"},
    ]
    assert chain == {
        "netdev": "hn0",
        "type": "fake",
        "link": True,
        "up": True,
        "device": "e0",
        "guest": "g0",
        "guest-link": True,
        "guest-up": True,
        "offloads": False,
    }


def test_a_netdev_without_device_has_neither_guest_nor_device() -> None:
    (chain,) = a_client("-netdev fake,id=hn0")("query-chain")
    assert "guest" not in chain
    assert "device" not in chain
    assert (chain["up"], chain["guest-up"]) == (True, False)
    assert chain["filters"] == []


def test_a_wire_to_another_process_says_whether_it_is_there() -> None:
    server = "server=on,addr.type=unix"
    line = f"-netdev stream,id=hn0,{server},addr.path=/tmp/s -netdev stream,id=g0,{server},addr.path=/tmp/g"
    (chain,) = a_client(f"{line} -device e1000,netdev=hn0,guest=g0", start=False)("query-chain")
    assert chain["filename"] == "disconnected:unix:/tmp/s,server=on"
    assert chain["guest-filename"] == "disconnected:unix:/tmp/g,server=on"


def test_taps_have_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap_properties, "DEVICE", os.devnull)
    line = "-netdev tap,id=hn0,ifname=hn0,script=no,downscript=no -device e1000,id=e0,netdev=hn0"
    client = a_client(line, start=False)
    (chain,) = client("query-chain")
    assert (chain["ifname"], chain["guest-ifname"], chain["guest"]) == ("hn0", "e0", "e0")
    lines = client("human-monitor-command", {"command-line": "info network"}).splitlines()
    assert lines[1:] == [" \\ hn0: index=0,type=tap,ifname=hn0", " \\ e0: index=0,type=tap,ifname=e0"]


def test_links_are_shown_at_each_end() -> None:
    client = a_client(CABLE)
    client("set_link", name="e0", up=False)
    (chain,) = client("query-chain")
    assert (chain["link"], chain["guest-link"]) == (True, False)
    assert (chain["up"], chain["guest-up"]) == (True, False)
    client("set_link", name="hn0", up=False)
    assert client("query-chain")[0]["up"] is False


@pytest.mark.parametrize("end", ["hn0", "e0"])
@pytest.mark.parametrize("trouble", ["down", "gone"])
def test_an_end_whose_tap_takes_no_frames_is_not_up(monkeypatch: pytest.MonkeyPatch, end: str, trouble: str) -> None:
    """Whatever set_link has made of it: status said 'up' of it, beside a problem that said 'down'."""
    monkeypatch.setattr(tap_properties, "DEVICE", os.devnull)
    line = "-netdev tap,id=hn0,ifname=hn0,script=no,downscript=no -device e1000,id=e0,netdev=hn0"
    client = a_client(line, start=False)
    assert ends(client) == {"hn0": True, "e0": True}
    monkeypatch.setattr(Tap, trouble, property(lambda tap: tap.id == end))
    assert ends(client) == {"hn0": end != "hn0", "e0": end != "e0"}
    (chain,) = client("query-chain")
    assert (chain["link"], chain["guest-link"]) == (True, True)


def ends(client: Client) -> dict[str, bool]:
    (chain,) = client("query-chain")
    return {chain["netdev"]: chain["up"], chain["guest"]: chain["guest-up"]}


def test_every_counter_can_be_read() -> None:
    client = a_client(f"{CABLE} -chardev fake,id=c0 {MIRROR}")
    client.house.netdev("hn0").receive(batch_of(packet("one"), packet("two")))
    rows = client("query-stats")
    assert {(row["kind"], row["id"]) for row in rows} == {
        ("chardev", "c0"),
        ("netdev", "hn0"),
        ("netdev", "g0"),
        ("chain", "hn0"),
        ("object", "m0"),
    }
    (mirror,) = client("query-stats", kind="object", id="m0")
    assert mirror["counters"]["mirrored"] == 2
    assert {row["kind"] for row in client("query-stats", id="hn0")} == {"netdev", "chain"}
    assert client("query-stats", kind="monitor") == []


def test_counters_of_what_is_not_there_are_an_error_that_lists_what_is() -> None:
    client = a_client(f"{CABLE} -chardev fake,id=c0 {MIRROR}")
    assert client.error("query-stats", kind="foo") == (
        "Parameter 'kind' does not accept value 'foo' (allowed: chardev, netdev, chain, object or monitor)"
    )
    assert client.error("query-stats", id="foo") == "no part has the id 'foo' (there are: c0, hn0, g0, m0)"
    assert client.error("query-stats", kind="object", id="hn0") == "no object has the id 'hn0' (there are: m0)"
    assert client.error("query-stats", kind="monitor", id="m0") == "no monitor has the id 'm0' (there are: none)"

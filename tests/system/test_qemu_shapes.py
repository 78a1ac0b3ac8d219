"""
The arrangements by which QEMU tests its own mirror and redirector, on us.

The network is a socket that the process inherits; the test holds its far end and those of the
chardevs. Each arrangement also runs on QEMU, so that it is QEMU's answer that ours is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cables import SIZES, FarEnd, numbered_packets
from tests.support.processes import Colo
from tests.support.qemu import QEMU
from tests.support.sides import Program, Side

NOBODY = b"\xff" * 6
SHORT = [NOBODY + bytes(6) + bytes.fromhex("0800"), NOBODY + bytes(6) + bytes.fromhex("0806") + b"a few bytes more"]

# QEMU writes to itself until all is written: more than a socket holds would make it wait for itself for ever
FEW = SHORT + numbered_packets(10, (60, 1514, 9000))
MANY = SHORT + numbered_packets(300, SIZES)

on_both = pytest.mark.parametrize(("program", "packets"), [(Colo, MANY), (QEMU, FEW)], ids=["us", "QEMU"])
on_both_and_by_pair = pytest.mark.parametrize(
    ("program", "by_pair", "packets"),
    [(Colo, False, MANY), (Colo, True, MANY), (QEMU, False, FEW)],
    ids=["us", "us-by-pair", "QEMU"],
)
with_and_without_vnet_hdr = pytest.mark.parametrize("vnet_hdr", ["off", "on"], ids="vnet_hdr-{}".format)


def server(id: str, path: Path) -> list[str]:
    return ["-chardev", f"socket,id={id},path={path},server=on,wait=off"]


def client(id: str, path: Path) -> list[str]:
    return ["-chardev", f"socket,id={id},path={path}"]


def three_redirectors(folder: Path, by_pair: bool, common: str, f0: str, f1: str, f2: str) -> list[str]:
    """
    Filters in a row, with these properties each.

    Chardevs redirector0 and redirector2 are joined, inside the process; redirector1 is the test's.
    """
    joined = [*server("redirector0", folder / "redirector0"), *client("redirector2", folder / "redirector0")]
    arguments = ["-chardev", "pair,id=redirector0,peer=redirector2"] if by_pair else joined
    arguments += server("redirector1", folder / "redirector1")
    for id, properties in (("f0", f0), ("f1", f1), ("f2", f2)):
        arguments += ["-object", f"filter-redirector,netdev=hn0,id={id},{common},{properties}"]
    return arguments


@contextmanager
def peer_at(path: Path, side: Side, chardev: str, vnet_hdr: str) -> Iterator[FarEnd]:
    """The test as the client of a chardev that is a server."""
    with FarEnd(vnet_hdr == "on") as far_end:
        far_end.connect(path)
        side.wait_connected(chardev)
        yield far_end


@on_both
@with_and_without_vnet_hdr
def test_what_comes_from_the_network_is_at_the_mirrors_chardev_and_at_the_guest(
    program: Program, packets: list[bytes], vnet_hdr: str, tmp_path: Path
) -> None:
    path = tmp_path / "mirror0"
    mirror = f"filter-mirror,id=f0,netdev=hn0,queue=tx,outdev=mirror0,vnet_hdr_support={vnet_hdr}"
    with (
        Side(program, tmp_path, *server("mirror0", path), "-object", mirror) as side,
        peer_at(path, side, "mirror0", vnet_hdr) as reader,
    ):
        side.network.send(packets)
        reader.expect(packets)
        side.guest.expect(packets)
        assert set(reader.vnet_headers) <= {b""}


def test_a_mirror_needs_no_guest(tmp_path: Path) -> None:
    """QEMU's arrangement has a NIC that nothing drives; ours may go without -device."""
    path = tmp_path / "mirror0"
    options = [*server("mirror0", path), "-object", "filter-mirror,id=f0,netdev=hn0,queue=tx,outdev=mirror0"]
    with FarEnd() as network, FarEnd() as reader:
        with network.plug() as hn0:
            options += ["-netdev", f"socket,id=hn0,fd={hn0.fileno()}"]
            colo = Colo(options, tmp_path, pass_fds=(hn0.fileno(),))
        with colo:
            reader.connect(path)
            colo.wait_for_output("chardev mirror0: connected to")
            network.send(SHORT)
            reader.expect(SHORT)
            assert colo.counters()["chain hn0"] == {"dropped_no_guest": len(SHORT)}


@on_both_and_by_pair
@with_and_without_vnet_hdr
def test_packets_leave_the_chain_come_back_and_leave_again_on_their_way_to_the_guest(
    program: Program, by_pair: bool, packets: list[bytes], vnet_hdr: str, tmp_path: Path
) -> None:
    common = f"queue=tx,vnet_hdr_support={vnet_hdr}"
    path = ("outdev=redirector0", "indev=redirector2", "outdev=redirector1")
    with (
        Side(program, tmp_path, *three_redirectors(tmp_path, by_pair, common, *path)) as side,
        peer_at(tmp_path / "redirector1", side, "redirector1", vnet_hdr) as reader,
    ):
        wait_joined(side, by_pair)
        side.network.send(packets)
        reader.expect(packets)
        assert side.guest.packets == []


@on_both_and_by_pair
@with_and_without_vnet_hdr
def test_packets_enter_the_chain_leave_it_and_come_back_on_their_way_to_the_network(
    program: Program, by_pair: bool, packets: list[bytes], vnet_hdr: str, tmp_path: Path
) -> None:
    common = f"queue=rx,vnet_hdr_support={vnet_hdr}"
    path = ("indev=redirector0", "outdev=redirector2", "indev=redirector1")
    with (
        Side(program, tmp_path, *three_redirectors(tmp_path, by_pair, common, *path)) as side,
        peer_at(tmp_path / "redirector1", side, "redirector1", vnet_hdr) as writer,
    ):
        wait_joined(side, by_pair)
        writer.send(packets)
        side.network.expect(packets)
        assert side.guest.packets == []


def wait_joined(side: Side, by_pair: bool) -> None:
    if not by_pair:
        side.wait_connected("redirector0")
        side.wait_connected("redirector2")

"""Kernels' TCP, ping and UDP through two TAPs, and what a mirror and a redirector make of it."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cut import as_on_a_wire
from tests.support.namespaces import need
from tests.support.processes import Process, wait_until
from tests.support.traffic import (
    CLIENT,
    ETHERNET_HEADER,
    GUEST,
    GUEST_MAC,
    LONG,
    MTU,
    Between,
    Reader,
    Website,
    between,
    burst,
    captured,
    counted,
    number_of,
)
from tests.support.vlan import tagged_interface

BIG = (400 if LONG else 100) * 1_000_000
SMALL = 5_000_000
LARGEST = MTU + ETHERNET_HEADER
READ_ALL = """
import socket, sys
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect(sys.argv[1])
    while peer.recv(1 << 20):
        pass
"""


@pytest.fixture(scope="module")
def website(tmp_path_factory: pytest.TempPathFactory) -> Website:
    need("ip", "ping", "curl", "sysctl")
    site = Website(tmp_path_factory.mktemp("www"))
    site.add("big", BIG)
    site.add("small", SMALL)
    return site


def out_to_socket(path: Path, filter: str) -> list[str]:
    """A filter on hn0 for what comes from the network, with ``outdev`` a chardev out0 that listens on a unix path."""
    chardev = f"socket,id=out0,path={path},server=on,wait=off"
    return ["-chardev", chardev, "-object", f"{filter},netdev=hn0,queue=tx,outdev=out0"]


@contextlib.contextmanager
def connected(path: Path, hosts: Between) -> Iterator[socket.socket]:
    """A peer of out0, which reads nothing by itself."""
    before = hosts.colo.counters()["chardev out0"].get("connects", 0)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        wait_until(lambda: hosts.colo.counters()["chardev out0"].get("connects") == before + 1, "the peer's place")
        yield peer


@contextlib.contextmanager
def mirrored(folder: Path, vnet_hdr: bool = False, tap: str = "", mtu: int = MTU) -> Iterator[tuple[Between, Reader]]:
    """Two hosts with a mirror between them, and who reads the copies."""
    path = folder / "out0"
    options = out_to_socket(path, "filter-mirror,id=m0,max_backlog=1g" + ",vnet_hdr_support" * vnet_hdr)
    with (
        between(folder, *options, tap=tap, mtu=mtu) as hosts,
        connected(path, hosts) as peer,
        Reader(peer, vnet_hdr) as replica,
    ):
        yield hosts, replica


def transfer(hosts: Between, website: Website, name: str, downloader: str, folder: Path) -> None:
    """A download through both TAPs, by the client from the guest or the reverse."""
    to, source, address = (
        (hosts.client, hosts.guest, GUEST) if downloader == "client" else (hosts.guest, hosts.client, CLIENT)
    )
    with website.served_by(source, folder / "http.log"):
        website.check_download(name, to, address)


def check_copies(hosts: Between, replica: Reader) -> None:
    """
    Every frame that the client's kernel sent has been copied, once, and nothing was lost on any way.

    A large one can have become several on the way out.
    """

    def all_came() -> bool:
        counters = hosts.colo.counters()
        mirrored, copies = counters["object m0"]["mirrored"], counters["chardev out0"]["frames_out"]
        return mirrored == counted(hosts.client, "lan", "tx_packets") and copies == len(replica.packets)

    try:
        wait_until(all_came, "a copy of each frame")
    except AssertionError as error:
        sent = counted(hosts.client, "lan", "tx_packets")
        came = f"{sent} were sent, {len(replica.packets)} copies came"
        raise AssertionError(f"{error}; {came}; {hosts.colo.counters()}") from None
    assert hosts.troubles() == {}


# TCP, whole and right


@pytest.mark.parametrize("downloader", ["client", "guest"])
def test_a_big_download_is_right_and_every_frame_of_it_mirrored(
    tmp_path: Path, website: Website, downloader: str
) -> None:
    with mirrored(tmp_path) as (hosts, replica):
        transfer(hosts, website, "big", downloader, tmp_path)
        check_copies(hosts, replica)
        if downloader == "guest":
            assert sum(map(len, replica.packets)) > BIG


def test_ping_is_answered_and_mirrored(tmp_path: Path) -> None:
    need("ping")
    with mirrored(tmp_path) as (hosts, replica):
        hosts.ping()
        check_copies(hosts, replica)
        assert len([packet for packet in replica.packets if packet[12:14] == b"\x08\x00"]) == 3


def test_jumbo_frames_pass_whole(tmp_path: Path, website: Website) -> None:
    with mirrored(tmp_path, mtu=9000) as (hosts, replica):
        hosts.ping("-s8000", "-Mdo")
        hosts.ping("-s8972", "-Mdo")
        transfer(hosts, website, "small", "guest", tmp_path)
        check_copies(hosts, replica)
        sizes = [len(packet) for packet in replica.packets]
        assert sizes.count(ETHERNET_HEADER + 20 + 8 + 8000) == 3
        assert max(sizes) == ETHERNET_HEADER + 9000


def test_tagged_frames_pass_with_their_tag(tmp_path: Path, website: Website) -> None:
    with (
        mirrored(tmp_path) as (hosts, replica),
        tagged_interface(hosts.client, "lan", 7, tmp_path) as clients,
        tagged_interface(hosts.guest, "e0", 7, tmp_path) as guests,
    ):
        hosts.client.ip(f"addr add 10.0.7.1/24 dev {clients}")
        hosts.guest.ip(f"addr add 10.0.7.2/24 dev {guests}")
        hosts.ping(address="10.0.7.2")
        hosts.ping("-s1472", "-Mdo", address="10.0.7.2")
        with website.served_by(hosts.client, tmp_path / "http.log"):
            website.check_download("small", hosts.guest, "10.0.7.1")
        check_copies(hosts, replica)
        assert {packet[12:16].hex() for packet in replica.packets} == {"81000007"}
        assert max(map(len, replica.packets)) == LARGEST + 4


# offloads


def test_with_vnet_headers_everywhere_segments_pass_uncut(tmp_path: Path, website: Website) -> None:
    with mirrored(tmp_path, vnet_hdr=True) as (hosts, replica):
        transfer(hosts, website, "small", "guest", tmp_path)
        transfer(hosts, website, "small", "client", tmp_path)
        check_copies(hosts, replica)
        assert max(map(len, replica.packets)) > LARGEST
        counters = hosts.colo.counters()
        for tap in ("netdev hn0", "netdev e0"):
            assert counters[tap]["bytes_in"] / counters[tap]["frames_in"] > LARGEST


@pytest.mark.parametrize(
    ("tap", "vnet_hdr"), [("", False), ("vnet_hdr=on", False), ("vnet_hdr=off", False), ("vnet_hdr=off", True)]
)
def test_where_one_part_has_no_vnet_headers_all_copies_are_cut(
    tmp_path: Path, website: Website, tap: str, vnet_hdr: bool
) -> None:
    with mirrored(tmp_path, vnet_hdr=vnet_hdr, tap=tap) as (hosts, replica):
        transfer(hosts, website, "small", "guest", tmp_path)
        transfer(hosts, website, "small", "client", tmp_path)
        check_copies(hosts, replica)
        assert max(map(len, replica.packets)) == LARGEST
        lan = hosts.colo.counters()["netdev hn0"]
        assert (lan["bytes_in"] / lan["frames_in"] > LARGEST) is (tap != "vnet_hdr=off")


# the copies are what was sent


@pytest.mark.parametrize("tap", ["vnet_hdr=off", "vnet_hdr=on"])
def test_the_copies_are_what_the_client_sent_byte_for_byte(tmp_path: Path, website: Website, tap: str) -> None:
    """Or as its network card would have sent it, had it one."""
    need("tcpdump")
    pcap = tmp_path / "sent.pcap"
    with mirrored(tmp_path, tap=tap) as (hosts, replica):
        words = ["tcpdump", "-i", "lan", "-Q", "out", "-Z", "root", "-B", "65536", "--immediate-mode", "-U", "-w"]
        with Process(hosts.client.words(*words, str(pcap)), tmp_path / "tcpdump.log") as tcpdump:
            tcpdump.wait_for_output("listening on")
            hosts.ping()
            transfer(hosts, website, "small", "guest", tmp_path)
            transfer(hosts, website, "small", "client", tmp_path)
            check_copies(hosts, replica)
            sent = counted(hosts.client, "lan", "tx_packets")
            wait_until(lambda: len(captured(pcap)) == sent, "tcpdump writing as much")
            on_wire = captured(pcap)
            if tap == "vnet_hdr=on":
                assert max(map(len, on_wire)) > LARGEST
                on_wire = [piece for packet in on_wire for piece in as_on_a_wire(packet, LARGEST)]
            assert len(on_wire) == len(replica.packets)
            for index, (packet, copy) in enumerate(zip(on_wire, replica.packets)):
                assert copy == packet, f"frame {index} is another"


# a peer that reads, and one that doesn't


def test_a_peer_that_reads_keeps_up_however_much_comes(tmp_path: Path) -> None:
    """Each turn of the reactor must be able to send more than it reads."""
    need("iperf3")
    path = tmp_path / "out0"
    with between(tmp_path, *out_to_socket(path, "filter-mirror,id=m0")) as hosts:
        reading = Process([sys.executable, "-c", READ_ALL, str(path)], tmp_path / "reader.log")
        serving = Process(hosts.guest.words("iperf3", "-s", "-1", "--forceflush"), tmp_path / "iperf3.log")
        with reading, serving:
            wait_until(lambda: "connects" in hosts.colo.counters()["chardev out0"], "the peer's place")
            serving.wait_for_output("listening")
            hosts.client.run("iperf3", "-c", GUEST, "-n", f"{3 * BIG}")
            assert hosts.troubles() == {}
            assert hosts.colo.counters()["chardev out0"]["bytes_out"] > 3 * BIG


def test_a_redirectors_stuck_peer_makes_the_tap_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "out0"
    frames = 3000  # more than all buffers on the way hold
    with (
        between(tmp_path, *out_to_socket(path, "filter-redirector,id=r0")) as hosts,
        connected(path, hosts) as peer,
    ):
        hosts.client.ip(f"neigh add {GUEST} lladdr {GUEST_MAC} dev lan nud permanent")
        hosts.client.ip(f"link set lan txqueuelen {2 * frames}")  # the kernel keeps them all
        burst(hosts.client, GUEST, frames)
        assert 0 < frames_when_at_rest(hosts) < frames
        with Reader(peer) as reader:
            reader.wait_for(frames)
            assert [number_of(packet) for packet in reader.packets] == list(range(frames))
            assert hosts.troubles() == {}
            burst(hosts.client, GUEST, frames)  # the TAP is read again
            reader.wait_for(2 * frames)


def frames_when_at_rest(hosts: Between) -> int:
    """What hn0 has read, once it reads no more: it had a turn of the reactor to do so, and didn't."""
    seen = [-2, -1]

    def rests() -> bool:
        seen.append(hosts.colo.counters()["netdev hn0"]["frames_in"])
        return seen[-1] == seen[-2]

    wait_until(rests, "the TAP not being read")
    return seen[-1]


def test_a_mirrors_stuck_peer_stops_no_transfer_and_may_come_again(tmp_path: Path, website: Website) -> None:
    path = tmp_path / "out0"
    with between(tmp_path, *out_to_socket(path, "filter-mirror,id=m0,max_backlog=256k")) as hosts:
        with connected(path, hosts):
            transfer(hosts, website, "small", "guest", tmp_path)
            counters = hosts.colo.counters()
            assert counters["object m0"]["disconnected_slow_peer"] == 1
            assert counters["object m0"]["not_mirrored_no_peer"] > 0
            assert counters["chardev out0"]["disconnects"] == 1
            assert counters["chardev out0"]["dropped_disconnect_bytes"] > 256 * 1024
        with connected(path, hosts) as again, Reader(again) as replica:
            mirrored_before = counters["object m0"]["mirrored"]
            hosts.ping()
            mirrored_since = hosts.colo.counters()["object m0"]["mirrored"] - mirrored_before
            assert mirrored_since >= 3
            replica.wait_for(mirrored_since)
            assert {len(packet) for packet in replica.packets} <= {42, 98}  # whole ones: ARP's and ping's

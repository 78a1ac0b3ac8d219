"""Peers that misbehave, met by a running process: stuck, slow, vanishing, chattering, and merely curious."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cables import FarEnd, numbered_packet, numbered_packets
from tests.support.namespaces import Host, Hosts, need
from tests.support.processes import Colo, wait_until

MIRROR = ["-object", "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0"]
REDIRECTOR = ["-object", "filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0"]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Callable[..., tuple[Colo, FarEnd, FarEnd]]]:
    """Starts a process whose network and guest the test holds; ends it, and them."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> tuple[Colo, FarEnd, FarEnd]:
            network, guest = stack.enter_context(FarEnd()), stack.enter_context(FarEnd())
            with network.plug() as hn0, guest.plug() as g0:
                cables = ["-netdev", f"socket,id=hn0,fd={hn0.fileno()}", "-netdev", f"socket,id=g0,fd={g0.fileno()}"]
                colo = Colo(
                    [*cables, "-device", "e1000,netdev=hn0,guest=g0", *arguments],
                    tmp_path,
                    pass_fds=(hn0.fileno(), g0.fileno()),
                )
            # before the far ends, which then see their cables' ends
            stack.callback(colo.__exit__, None, None, None)
            colo.__enter__()
            return colo, network, guest

        yield start


def server(folder: Path, id: str) -> list[str]:
    return ["-chardev", f"socket,id={id},path={folder}/{id},server,nowait"]


def connect(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.connect(str(path))
    return one


def resident_kilobytes(colo: Colo) -> int:
    lines = Path(f"/proc/{colo.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def connects(colo: Colo, id: str) -> int:
    return colo.counters()[f"chardev {id}"].get("connects", 0)


def test_a_stuck_mirror_peer_delays_nothing_and_is_let_go_at_the_bound(tmp_path: Path, guarded: Any) -> None:
    colo, network, guest = guarded(*server(tmp_path, "mirror0"), *MIRROR[:-1], MIRROR[-1] + ",max_backlog=1M")
    packets = numbered_packets(6000)
    with connect(tmp_path / "mirror0"):
        wait_until(lambda: connects(colo, "mirror0") == 1, "the peer")
        network.send(packets)
        guest.expect(packets)
        counters = colo.counters()
        assert counters["object m0"]["disconnected_slow_peer"] == 1
        assert counters["chardev mirror0"]["dropped_disconnect_bytes"] > 1 << 20
    with connect(tmp_path / "mirror0") as again:
        wait_until(lambda: connects(colo, "mirror0") == 2, "the peer again")
        network.send([numbered_packet(0, 100)])
        assert again.recv(1000) == struct.pack(">I", 100) + numbered_packet(0, 100)


def test_a_slow_mirror_peer_gets_every_frame(tmp_path: Path, guarded: Any) -> None:
    colo, network, guest = guarded(*server(tmp_path, "mirror0"), *MIRROR)
    packets = numbered_packets(3000)
    with connect(tmp_path / "mirror0") as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wait_until(lambda: connects(colo, "mirror0") == 1, "the peer")
        network.send(packets)
        guest.expect(packets)  # all of them, before the mirror's peer has taken one
        with slow.makefile("rb") as stream:
            for packet in packets:
                (length,) = struct.unpack(">I", stream.read(4))
                assert stream.read(length) == packet
    assert "dropped_disconnect_bytes" not in colo.counters()["chardev mirror0"]


def test_peers_that_vanish_in_mid_frame_leave_the_next_one_aligned(tmp_path: Path, guarded: Any) -> None:
    colo, _, guest = guarded(*server(tmp_path, "red0"), *REDIRECTOR)
    frame = struct.pack(">I", 1000) + numbered_packet(7, 1000)
    chance = random.Random(2)
    for number in range(50):
        with connect(tmp_path / "red0") as vanishing:
            vanishing.sendall(frame[: chance.randrange(1, len(frame))])
        wait_until(lambda number=number: connects(colo, "red0") > number, "it")
    with connect(tmp_path / "red0") as last:
        last.sendall(frame)
        guest.expect([numbered_packet(7, 1000)])
    assert "protocol_errors" not in colo.counters()["chardev red0"]


def test_garbage_costs_its_sender_the_place_and_nothing_else(tmp_path: Path, guarded: Any) -> None:
    colo, network, guest = guarded(*server(tmp_path, "red0"), *REDIRECTOR)
    chance = random.Random(3)
    for _ in range(100):
        with connect(tmp_path / "red0") as chattering, contextlib.suppress(OSError):
            chattering.sendall(b"\xff" + chance.randbytes(5000))
            while chattering.recv(1000):
                pass
    assert colo.counters()["chardev red0"]["protocol_errors"] == 100
    assert colo.output.count("protocol error") < 20
    assert "Traceback" not in colo.output
    network.send([numbered_packet(1, 100)])
    guest.expect([numbered_packet(1, 100)])


def test_a_peer_that_dribbles_bytes_is_understood(tmp_path: Path, guarded: Any) -> None:
    _, _, guest = guarded(*server(tmp_path, "red0"), *REDIRECTOR)
    packets = numbered_packets(3, sizes=(60, 700, 61))
    with connect(tmp_path / "red0") as dribbling:
        for packet in packets:
            for byte in struct.pack(">I", len(packet)) + packet:
                dribbling.sendall(bytes([byte]))
        guest.expect(packets)


def test_a_thousand_probes_take_neither_place_nor_memory(tmp_path: Path, guarded: Any) -> None:
    colo, _, guest = guarded(*server(tmp_path, "red0"), *REDIRECTOR)
    with connect(tmp_path / "red0") as peer:
        wait_until(lambda: connects(colo, "red0") == 1, "the peer")

        def probe(times: int) -> None:
            before = seen()
            for _ in range(times):
                connect(tmp_path / "red0").close()
            wait_until(lambda: seen() == before + times, "all probes")

        def seen() -> int:
            counters = colo.counters()["chardev red0"]
            return counters.get("probes", 0) + counters.get("refused", 0)

        probe(200)
        before = resident_kilobytes(colo)
        probe(1000)
        assert (
            resident_kilobytes(colo) - before < 8000
        )  # test_link counts what is kept; this is the allocator's share too
        peer.sendall(struct.pack(">I", 100) + numbered_packet(1, 100))
        guest.expect([numbered_packet(1, 100)])
    assert connects(colo, "red0") == 1
    assert colo.output.count("has the place") <= 10


# a host that is gone sends no FIN: only its silence tells


class Cut:
    """A chardev's server on one host, two others that connect to it, and cables that can be cut."""

    def __init__(self, hosts: Hosts, folder: Path, *arguments: str) -> None:
        self.here, self.first, self.second = (hosts.add(name) for name in ("here", "first", "second"))
        for number, other in enumerate((self.first, self.second), 1):
            hosts.cable(self.here, f"to{number}", other, "eth0")
            self.here.ip(f"addr add 10.9.{number}.1/24 dev to{number}")
            other.ip(f"addr add 10.9.{number}.2/24 dev eth0")
        self.arguments = ["-chardev", "socket,id=c0,host=0.0.0.0,port=9003,server,nowait", *arguments]
        self.folder = folder

    def connect(self, host: Host, number: int) -> Colo:
        """A second process that connects, and by its TAP may send."""
        arguments = ["-chardev", f"socket,id=c0,host=10.9.{number}.1,port=9003"]
        return Colo(arguments, self.folder, f"client{number}", host.name)


def test_a_dead_host_is_noticed_and_makes_room(tmp_path: Path) -> None:
    need("ip")
    with Hosts() as hosts:
        cut = Cut(hosts, tmp_path)
        with Colo(cut.arguments, tmp_path, "server", cut.here.name) as colo, cut.connect(cut.first, 1):
            colo.wait_for_output("connected to 10.9.1.2")
            cut.here.ip("link set to1 down")
            with cut.connect(cut.second, 2):
                colo.wait_for_output("connected to 10.9.2.2")
                assert colo.counters()["chardev c0"]["disconnects"] == 1


def test_a_dead_host_with_data_on_its_way_is_noticed_too(tmp_path: Path) -> None:
    need("ip", "ping")
    mirror = ["-netdev", "tap,id=hn0,ifname=hn0,script=no,downscript=no", "-device", "e1000,id=e0,netdev=hn0"]
    mirror += ["-object", "filter-mirror,id=m0,netdev=hn0,outdev=c0"]
    with Hosts() as hosts:
        cut = Cut(hosts, tmp_path, *mirror)
        guest = hosts.add("guest")
        with Colo(cut.arguments, tmp_path, "server", cut.here.name) as colo, cut.connect(cut.first, 1):
            guest.take("e0", cut.here, "10.9.9.2/24")
            cut.here.ip("addr add 10.9.9.1/24 dev hn0")
            cut.here.ip("link set hn0 up")
            colo.wait_for_output("connected to 10.9.1.2")
            cut.here.ip("link set to1 down")
            cut.here.run("ping", "-q", "-c", "3", "-i", "0.1", "10.9.9.2")  # mirrored to nobody who acknowledges it
            colo.wait_for_output("it has answered nothing for 5 s|lost 10.9.1.2")
            assert colo.counters()["chardev c0"]["disconnects"] == 1

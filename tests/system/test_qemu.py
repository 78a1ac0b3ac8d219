"""
A real QEMU at the other end of each socket: mirrors into redirectors, both ways round.

Both programs get the same words; QEMU has its hub where we have a device.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cables import SIZES, Traffic, number_of, numbered_packet, numbered_packets, runs
from tests.support.processes import Colo, wait_until
from tests.support.qemu import QEMU
from tests.support.sides import Program, Side, address

STUCK_BYTES = 5_000_000  # more than the kernel takes for a reader that sleeps, most often

both_ways_round = pytest.mark.parametrize(
    ("source", "sink"), [(QEMU, Colo), (Colo, QEMU)], ids=["QEMU-to-us", "us-to-QEMU"]
)
both_servers = pytest.mark.parametrize("server", ["source", "sink"], ids="{}-is-server".format)
both_transports = pytest.mark.parametrize("transport", ["tcp", "unix"])
with_and_without_vnet_hdr = pytest.mark.parametrize("vnet_hdr", ["off", "on"], ids="vnet_hdr-{}".format)


@contextmanager
def joined(
    source: Program, sink: Program, folder: Path, transport: str, server: str, filters: tuple[str, str]
) -> Iterator[tuple[Side, Side]]:
    """Both sides, running, with a filter each whose chardev is called wire: who is the server is there first."""
    where = address(transport, folder)
    ends = {"server": f"socket,id=wire,{where},server=on,wait=off", "client": f"socket,id=wire,{where},reconnect=1"}
    roles = ("server", "client") if server == "source" else ("client", "server")
    sides = [
        Side(program, folder, "-chardev", ends[role], "-object", f"{a_filter},id=f0,netdev=hn0")
        for program, role, a_filter in zip((source, sink), roles, filters)
    ]
    first, second = sides if server == "source" else sides[::-1]
    with first, second:
        for side in sides:
            side.wait_connected("wire")
        yield sides[0], sides[1]


@both_ways_round
@both_servers
@both_transports
@with_and_without_vnet_hdr
def test_a_mirrors_copies_come_out_of_a_redirector_at_the_other_guest(
    source: Program, sink: Program, server: str, transport: str, vnet_hdr: str, tmp_path: Path
) -> None:
    filters = (
        f"filter-mirror,queue=tx,outdev=wire,vnet_hdr_support={vnet_hdr}",
        f"filter-redirector,queue=tx,indev=wire,vnet_hdr_support={vnet_hdr}",
    )
    packets = numbered_packets(300, SIZES)
    with joined(source, sink, tmp_path, transport, server, filters) as (mirror, redirector):
        mirror.network.send(packets)
        mirror.guest.expect(packets)
        redirector.guest.expect(packets)

        mirror.guest.send(packets)
        mirror.network.expect(packets)  # answers go out, and no copy of them

        last = numbered_packet(len(packets))
        mirror.network.send([last])
        redirector.guest.expect([*packets, last])
        assert redirector.network.packets == []


@both_ways_round
@pytest.mark.parametrize(("transport", "vnet_hdr"), [("tcp", "off"), ("unix", "on")])
@both_servers
def test_a_guests_answers_go_out_of_a_redirector_and_come_in_at_the_others_network(
    source: Program, sink: Program, server: str, transport: str, vnet_hdr: str, tmp_path: Path
) -> None:
    filters = (
        f"filter-redirector,queue=rx,outdev=wire,vnet_hdr_support={vnet_hdr}",
        f"filter-redirector,queue=rx,indev=wire,vnet_hdr_support={vnet_hdr}",
    )
    packets = numbered_packets(300, SIZES)
    with joined(source, sink, tmp_path, transport, server, filters) as (secondary, primary):
        secondary.guest.send(packets)
        primary.network.expect(packets)

        for side in (secondary, primary):
            side.network.send(packets)
            side.guest.expect(packets)  # requests pass as if nothing stood there
        assert secondary.network.packets == []


@both_ways_round
@pytest.mark.parametrize(
    ("restarted", "server", "transport"),
    [
        pytest.param("source", "source", "tcp", id="source-that-is-server-tcp"),
        pytest.param("source", "source", "unix", id="source-that-is-server-unix"),  # leaves its socket's file behind
        pytest.param("source", "sink", "tcp", id="source-that-is-client-tcp"),
        pytest.param("source", "sink", "unix", id="source-that-is-client-unix"),
        pytest.param("sink", "sink", "tcp", id="sink-that-is-server-tcp"),
        pytest.param("sink", "sink", "unix", id="sink-that-is-server-unix"),
        pytest.param("sink", "source", "tcp", id="sink-that-is-client-tcp"),
        pytest.param("sink", "source", "unix", id="sink-that-is-client-unix"),
    ],
)
def test_either_side_may_be_killed_and_started_again_in_mid_stream(
    source: Program, sink: Program, restarted: str, server: str, transport: str, tmp_path: Path
) -> None:
    """
    What was sent while the peer was away is missing; all else arrives whole, once, in order.

    The sink is stopped before, so that frames, and most likely a part of one, are stuck on the wire.
    A QEMU redirector hears nothing more from a chardev that has closed once, though that reconnects:
    where we are what restarts, its redirector is deleted and added again, as a controller would by QMP.
    """
    vnet_hdr = "on" if transport == "unix" else "off"
    filters = (
        f"filter-mirror,queue=tx,outdev=wire,vnet_hdr_support={vnet_hdr}",
        f"filter-redirector,queue=tx,indev=wire,vnet_hdr_support={vnet_hdr}",
    )
    with joined(source, sink, tmp_path, transport, server, filters) as (mirror, redirector):
        copies = redirector.guest.packets
        with Traffic(mirror.network) as traffic:
            wait_until(lambda: len(copies) >= 100, "copies before the restart")
            redirector.process.signal(signal.SIGSTOP)
            stopped_at = traffic.sent_bytes
            wait_until(lambda: traffic.sent_bytes > stopped_at + STUCK_BYTES, "frames are stuck")
            if restarted == "sink":
                redirector.kill()
                redirector.start()
            else:
                mirror.kill()
                redirector.process.signal(signal.SIGCONT)
                if isinstance(redirector.process, QEMU):
                    make_it_listen_again(redirector.process, vnet_hdr)
                mirror.start()
            restarted_at = traffic.sent
            wait_until(lambda: number_of(copies[-1]) > restarted_at + 200, "copies after the restart")
            sent = traffic.stop()
        wait_until(lambda: number_of(copies[-1]) == sent - 1, "the last copy")

    first_run, second_run = runs(map(number_of, copies))
    assert first_run.stop < second_run.start
    assert second_run.stop == sent
    if restarted == "sink":
        mirror.guest.expect([numbered_packet(number) for number in range(sent)])


def make_it_listen_again(qemu: QEMU, vnet_hdr: str) -> None:
    wait_until(lambda: not qemu.connected("wire"), "QEMU sees that the peer has gone")
    qemu.execute("object-del", {"id": "f0"})
    redirector = {"qom-type": "filter-redirector", "id": "f0", "netdev": "hn0", "queue": "tx", "indev": "wire"}
    qemu.execute("object-add", {**redirector, "vnet_hdr_support": vnet_hdr == "on"})


@both_servers
@pytest.mark.parametrize(
    ("qemus", "ours", "complaint"),
    [
        (
            "on",
            "off",
            "the first packet begins with a vnet header of 0 bytes, and none is expected here; set vnet_hdr_support",
        ),
        ("off", "on", "a vnet header of .* bytes .*; the peer seems to send none: set vnet_hdr_support"),
    ],
    ids=["QEMU-sends-vnet-headers", "QEMU-sends-none"],
)
def test_a_qemu_that_disagrees_about_vnet_headers_is_named_disconnected_and_counted(
    qemus: str, ours: str, complaint: str, server: str, tmp_path: Path
) -> None:
    filters = (
        f"filter-mirror,queue=tx,outdev=wire,vnet_hdr_support={qemus}",
        f"filter-redirector,queue=tx,indev=wire,vnet_hdr_support={ours}",
    )
    with joined(QEMU, Colo, tmp_path, "tcp", server, filters) as (mirror, redirector):
        assert isinstance(redirector.process, Colo)
        mirror.network.send([numbered_packet(0, 60)])
        redirector.process.wait_for_output(f"chardev wire: .*protocol error: {complaint}.* alike at both ends")
        counted = redirector.process.counters()["chardev wire"]
        assert (counted["protocol_errors"], counted["disconnects"]) == (1, 1)

        packet = numbered_packet(1)
        redirector.network.send([packet])
        redirector.guest.expect([packet])  # it lives on, and of the other's bytes nothing came through
        mirror.guest.expect([numbered_packet(0, 60)])

"""
``-netdev socket`` and ``-netdev stream`` of ours, joined to a real QEMU's.

QEMU 7.2's own netdevs disorder frames, and may abort, where the socket takes only a part of one; so
what QEMU sends to us is sent a little at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cables import SIZES, FarEnd, numbered_packet, numbered_packets
from tests.support.processes import Colo, wait_until
from tests.support.qemu import QEMU
from tests.support.sides import Side, free_port

MOST_UNDER_WAY = 80_000  # bytes; less than the kernel's smallest default for a socket

LISTEN = "socket,listen=127.0.0.1:{port}"
CONNECT = "socket,connect=127.0.0.1:{port}"
INET_SERVER = "stream,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port={port}"
INET_CLIENT = "stream,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port={port}"
UNIX_SERVER = "stream,server=on,addr.type=unix,addr.path={folder}/cable"
UNIX_CLIENT = "stream,server=off,addr.type=unix,addr.path={folder}/cable"

SERVERS = (LISTEN, INET_SERVER, UNIX_SERVER)


@contextmanager
def joined(ours: str, qemus: str, folder: Path) -> Iterator[tuple[Side, Side]]:
    """Us and QEMU, one guest each, and between them the netdevs; who listens is there first."""
    port = free_port()
    us, qemu = (
        Side(program, folder, hn0=netdev.format(port=port, folder=folder))
        for program, netdev in ((Colo, ours), (QEMU, qemus))
    )
    first, second = (us, qemu) if ours in SERVERS else (qemu, us)
    with first, second:
        for side in (us, qemu):
            side.wait_netdev_connected()
        yield us, qemu


@pytest.mark.parametrize(
    ("ours", "qemus"),
    [
        pytest.param(LISTEN, CONNECT, id="listen"),
        pytest.param(CONNECT, LISTEN, id="connect"),
        pytest.param(INET_SERVER, INET_CLIENT, id="inet-server"),
        pytest.param(INET_CLIENT, INET_SERVER, id="inet-client"),
        pytest.param(UNIX_SERVER, UNIX_CLIENT, id="unix-server"),
        pytest.param(UNIX_CLIENT, UNIX_SERVER, id="unix-client"),
        pytest.param(LISTEN, INET_CLIENT, id="listen-for-a-stream"),
        pytest.param(INET_CLIENT, LISTEN, id="stream-to-a-listener"),
    ],
)
def test_a_cable_between_our_netdev_and_qemus_carries_every_frame_both_ways(
    ours: str, qemus: str, tmp_path: Path
) -> None:
    packets = numbered_packets(1000, SIZES)
    with joined(ours, qemus, tmp_path) as (us, qemu):
        us.guest.send(packets)
        qemu.guest.expect(packets)

        few = packets[:200]
        send_a_little_at_a_time(few, qemu.guest, us.guest)
        us.guest.expect(few)


@pytest.mark.parametrize(
    ("ours", "qemus"),
    [
        pytest.param(LISTEN, CONNECT, id="listen"),
        pytest.param(INET_CLIENT, INET_SERVER, id="inet-client"),
        pytest.param(UNIX_CLIENT, UNIX_SERVER, id="unix-client"),
    ],
)
def test_our_netdev_joins_a_qemu_that_was_killed_and_started_again(ours: str, qemus: str, tmp_path: Path) -> None:
    before, after = numbered_packet(0), numbered_packet(1)
    with joined(ours, qemus, tmp_path) as (us, qemu):
        us.guest.send([before])
        qemu.guest.expect([before])

        qemu.kill()
        us.process.wait_for_output("netdev hn0: lost ")
        qemu.start()
        qemu.wait_netdev_connected()

        qemu.guest.send([after])
        us.guest.expect([after])
        us.guest.send([after])
        qemu.guest.expect([before, after])


def send_a_little_at_a_time(packets: list[bytes], sender: FarEnd, receiver: FarEnd) -> None:
    """Send packets, of which no more than MOST_UNDER_WAY bytes have not arrived yet."""
    under_way = 0
    for count, packet in enumerate(packets):
        if under_way + len(packet) > MOST_UNDER_WAY:
            wait_until(lambda count=count: len(receiver.packets) >= count, f"packet {count}")  # type: ignore[misc]
            under_way = 0
        sender.send([packet])
        under_way += len(packet)

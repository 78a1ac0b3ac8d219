"""
A secondary of one kind and a colo-compare of the other: QEMU's chain with our comparing, ours with QEMU's.

The client and both guests are user-space TCP endpoints: the guests number their bytes and tell
the time each in its own way, which two namespaces of one kernel would not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.support.cables import FarEnd
from tests.support.compare import (
    CHECKPOINT_DONE,
    CLIENT,
    CLIENT_MAC,
    DO_CHECKPOINT,
    FIRST_PORT,
    GUEST,
    GUEST_MAC,
    Comparison,
)
from tests.support.processes import Colo, wait_until
from tests.support.qemu import QEMU
from tests.support.segments import Address
from tests.support.sides import Program, Side
from tests.support.tcp import Endpoint

PORT_AT = 34  # of the source's port in an untagged IPv4 packet
SOON = "compare_timeout=300,expired_scan_cycle=100"  # ms
REQUEST, ANSWER = Random("request").randbytes(20_000), Random("answer").randbytes(60_000)

combinations = pytest.mark.parametrize(
    ("secondary", "comparing"),
    [(QEMU, Colo), (Colo, QEMU)],
    ids=["QEMUs-secondary-our-compare", "our-secondary-QEMUs-compare"],
)


class Connection:
    """One request and one answer, and then both sides close: a client, and a guest and its replica."""

    def __init__(self, port: int, rewritten_by: Program, answers: tuple[bytes, bytes] = (ANSWER, ANSWER)) -> None:
        here, there = Address.of(CLIENT_MAC, CLIENT, port), Address.of(GUEST_MAC, GUEST, 80)
        modern = rewritten_by is Colo  # QEMU's rewriter knows no timestamps and no SACK
        chance = Random(port)

        def endpoint(local: Address, remote: Address, cuts: Random | None = None) -> Endpoint:
            clock = chance.getrandbits(32) if modern else None
            return Endpoint(local, remote, isn=chance.getrandbits(32), clock=clock, sack=modern, cuts=cuts)

        self.port = port
        self.client = endpoint(here, there)
        self.primary, self.secondary = endpoint(there, here), endpoint(there, here, chance)
        self._answers = {self.primary: answers[0], self.secondary: answers[1]}
        for guest in self.guests:
            guest.listen()
        self.client.connect(time.monotonic())
        self.client.send(REQUEST, time.monotonic())

    @property
    def guests(self) -> tuple[Endpoint, Endpoint]:
        return self.primary, self.secondary

    @property
    def over(self) -> bool:
        """All three have ended in order."""
        return all(end.state in ("TIME-WAIT", "CLOSED") for end in (self.client, *self.guests))

    def tick(self, now: float) -> None:
        """Time passes, and the programs on the hosts do their work."""
        for guest in self.guests:
            guest.read(now)
            if len(guest.received) == len(REQUEST) and not guest.stream:
                guest.send(self._answers[guest], now)
                guest.close(now)
        self.client.read(now)
        if len(self.client.received) == len(ANSWER) and not self.client.closing:
            self.client.close(now)
        for end in (self.client, *self.guests):
            if end.deadline is not None and end.deadline <= now:
                end.tick(now)


class Replicas:
    """What runs where: the test is the LAN, the primary's mirror and both guests."""

    def __init__(self, compare: Comparison, secondary: Side, mirror: FarEnd) -> None:
        self.compare, self.secondary, self.mirror = compare, secondary, mirror
        self.connections: dict[int, Connection] = {}
        self.checkpoints = 0
        self._seen = {id(end): 0 for end in (compare.out, compare.notify, secondary.guest)}

    def run(self, *connections: Connection) -> None:
        """Until these are over."""
        self.connections.update({connection.port: connection for connection in connections})

        def over() -> bool:
            self._turn()
            return all(connection.over for connection in connections)

        try:
            wait_until(over, "all connections are over")
        except AssertionError as error:
            states = [[end.state for end in (each.client, *each.guests)] for each in connections]
            raise AssertionError(f"{error}: {states}\n{self.compare.process.output}") from None

    def _turn(self) -> None:
        now = time.monotonic()
        for message in self._new(self.compare.notify):
            assert message == DO_CHECKPOINT
            self.checkpoints += 1
            self.compare.notify.send([CHECKPOINT_DONE])
        for packet in self._new(self.compare.out):
            self._connection(packet, 2).client.receive(packet, now)
        for packet in self._new(self.secondary.guest):
            self._connection(packet, 0).secondary.receive(packet, now)
        for connection in self.connections.values():
            connection.tick(now)
            self._exchange(connection, now)

    def _exchange(self, connection: Connection, now: float) -> None:
        requests = connection.client.take()
        for packet in requests:
            connection.primary.receive(packet, now)
        self.mirror.send(requests)
        self.compare.primary.send(connection.primary.take())
        self.secondary.guest.send(connection.secondary.take())

    def _new(self, end: FarEnd) -> list[bytes]:
        packets = end.packets[self._seen[id(end)] :]
        self._seen[id(end)] += len(packets)
        return packets

    def _connection(self, packet: bytes, offset: int) -> Connection:
        return self.connections[int.from_bytes(packet[PORT_AT + offset : PORT_AT + offset + 2], "big")]


@contextmanager
def replicas(secondary: Program, comparing: Program, folder: Path, properties: str = SOON) -> Iterator[Replicas]:
    """
    A secondary with its redirectors and its rewriter, joined to a colo-compare, both running.

    What is held too long asks for a checkpoint soon: of QEMU's compare that is to be expected at any time.
    """
    arguments = ["-chardev", f"socket,id=red0,path={folder}/red0,server=on,wait=off"]
    arguments += ["-chardev", f"socket,id=red1,path={folder}/red1"]
    arguments += ["-object", "filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0"]
    arguments += ["-object", "filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1"]
    arguments += ["-object", "filter-rewriter,id=rew0,netdev=hn0,queue=all"]
    compare = Comparison(
        comparing, folder, properties, ours="", notify=True, secondary_in=f"path={folder}/red1,server=on,wait=off"
    )
    with compare, Side(secondary, folder, *arguments) as side, FarEnd() as mirror:
        mirror.connect(folder / "red0")
        side.wait_connected("red0")
        side.wait_connected("red1")
        yield Replicas(compare, side, mirror)


@combinations
def test_both_guests_follow_and_the_client_sees_one(secondary: Program, comparing: Program, tmp_path: Path) -> None:
    properties = "" if comparing is Colo else SOON
    with replicas(secondary, comparing, tmp_path, properties) as both:
        connections = [Connection(FIRST_PORT + number, secondary) for number in range(4)]
        both.run(connections[0])
        both.run(*connections[1:])
        for connection in connections:
            assert connection.client.received == ANSWER
            assert connection.primary.received == connection.secondary.received == REQUEST
            assert not connection.client.wrongs + connection.primary.wrongs + connection.secondary.wrongs
        if comparing is Colo:
            assert both.checkpoints == 0  # QEMU's may ask for some where nothing differs


@combinations
def test_a_difference_asks_for_a_checkpoint_and_the_client_gets_the_primarys_bytes(
    secondary: Program, comparing: Program, tmp_path: Path
) -> None:
    """
    No guest is copied here: what the secondary said before a checkpoint, and was ignored, it won't say again.

    So another is asked for when that is missed, until the answer has gone out.
    """
    other = bytes(10_000) + ANSWER[10_000:]
    with replicas(secondary, comparing, tmp_path) as both:
        differs = Connection(FIRST_PORT, secondary, (ANSWER, other))
        both.run(differs)
        assert differs.client.received == ANSWER
        assert both.checkpoints > 0
        follows = Connection(FIRST_PORT + 1, secondary)
        both.run(follows)
        assert follows.client.received == ANSWER
        assert follows.primary.received == follows.secondary.received == REQUEST

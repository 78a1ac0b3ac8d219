"""``-netdev tap``: a TAP of the kernel's, read and written in batches."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import IMachine, INetdev
from colo_twisted.netdev import scripts
from colo_twisted.netdev.packet_descriptor import PacketDescriptor
from colo_twisted.netdev.tap_properties import TapProperties, down_script, up_script
from colo_twisted.netdev.tun import ITun, KernelTun, OpenedTap, explain
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import StartError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.finishing import without_vnet_headers
from colo_twisted.reporting import Reporter

# one turn of the reactor reads until the TAP is empty, or so much
TURN_FRAMES = 128
TURN_BYTES = 256 * 1024
MOST_DRAINED = 20_000  # frames: what the kernel keeps for us at most, and what comes meanwhile

_DOWN = frozenset((errno.EIO, errno.EBADFD, errno.ENETDOWN))


@dataclass
class TapCounters(Counters):
    """What was read from the TAP (in) and written to it (out)."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    queued: int = 0  # frames that the kernel refused for a while
    dropped_backlog: int = 0  # ... beyond max_backlog
    dropped_link_down: int = 0  # the interface is down, or gone
    dropped_refused: int = 0  # the kernel took the frame for malformed
    dropped_needs_vnet_hdr: int = 0  # means nothing without its vnet header, and this TAP has none
    dropped_closed: int = 0  # still waiting, or sent, when the TAP was closed


@implementer(INetdev, IReadWriteDescriptor)
class Tap:
    """A TAP on the reactor."""

    def __init__(
        self, properties: TapProperties, machine: IMachine, tun: ITun | None = None, source: str = "-netdev tap"
    ) -> None:
        self.id = properties.id
        self.properties = properties
        self.counters: TapCounters = TapCounters()
        self.vnet_hdr_support = properties.vnet_hdr is not False
        self.vnet_hdr = False
        self.pressure_changed: Callable[[bool], None] = lambda full: None  # a TAP drops, it presses nobody
        self.name = properties.ifname or "tap"
        self.address: bytes | None = None
        self.queue: int | None = None  # packets that the kernel keeps for us; None: its default
        self._source = f"{source},id={self.id}"  # whom to blame
        self._tun: ITun = tun or KernelTun()
        self._reactor: Any = machine.reactor
        self._prefix = f"netdev {self.id}"
        self._report = Reporter(self._prefix)
        self._fd = -1
        self._packets: PacketDescriptor | None = None  # the same descriptor, once it is open
        self._receive: Callable[[Batch], None] | None = None
        self._paused = False
        self._waiting: deque[bytes] = deque()  # packets that the kernel refused for now
        self._waiting_bytes = 0
        self._is_up = False  # the up script has run
        self._gone = False  # the interface was deleted
        self._dropped_while_down = 0  # frames, since the interface was last up

    # life

    def open(self, vnet_hdr: bool) -> None:
        wanted = self.properties.vnet_hdr if self.properties.vnet_hdr is not None else vnet_hdr
        opened = self._open(wanted)
        self._fd, self.name, self.vnet_hdr = opened.fd, opened.name, opened.vnet_hdr
        self._packets = self._tun.packets(opened, TURN_BYTES)
        try:
            self._set_up()
        except OSError as error:
            self._close_fd()
            raise explain(f"{self._source}: setting up {self.name}", error) from None
        except StartError:
            self._close_fd()
            raise
        self._report.info(f"TAP {self.name} is open, {'with' if self.vnet_hdr else 'without'} vnet headers")

    def _open(self, vnet_hdr: bool) -> OpenedTap:
        properties = self.properties
        name = properties.ifname or "tap%d"
        try:
            if properties.fd is not None:
                return self._tun.adopt(properties.fd)
            return self._tun.open(name, vnet_hdr)
        except OSError as error:
            what = f"fd {properties.fd}" if properties.fd is not None else f"TAP {name}"
            raise explain(f"{self._source}: {what}", error) from None

    def _set_up(self) -> None:
        properties = self.properties
        if properties.vnet_hdr and not self.vnet_hdr:
            raise StartError(f"{self._source}: vnet_hdr=on, but the TAP of fd={properties.fd} has no vnet headers")
        if properties.sndbuf:
            self._tun.set_send_buffer(self._fd, properties.sndbuf)
        if self.address is not None:
            self._tun.set_address(self.name, self.address)
        if self.queue is not None:
            self._tun.set_queue(self.name, self.queue)
        if properties.br is not None:
            self._tun.add_to_bridge(self.name, properties.br)
        script = up_script(properties)
        if script is not None:
            outcome = scripts.run(script, self.name)
            if outcome.failure is not None:
                raise StartError(f"{self._source}: script {outcome.failure}")
            if outcome.said:
                self._report.warn(f"script {script} said: {outcome.said}")
        self._is_up = True

    def set_queue(self, packets: int) -> None:
        """How many packets the kernel keeps until they are read; said again to a TAP that is open, it is obeyed."""
        self.queue = packets
        if self._fd >= 0:
            self._tun.set_queue(self.name, packets)

    def set_offloads(self, on: bool) -> None:
        try:
            self._tun.set_offloads(self._fd, on)
        except OSError as error:
            self._report.warn(f"the kernel refused to turn offloads {'on' if on else 'off'}: {error.strerror}")

    def start(self, receive: Callable[[Batch], None]) -> None:
        self._receive = receive
        if not self._paused:
            self._reactor.addReader(self)

    def close(self) -> Deferred[None] | None:
        if self._fd < 0:
            return None
        self._reactor.removeReader(self)
        self._receive = None
        script = down_script(self.properties)
        if script is None or not self._is_up:
            self._close_fd()
            return None
        if not self._reactor.running:  # after a failed start its threads may never run
            self._is_down(scripts.run(script, self.name))
            return None
        done: Deferred[scripts.Outcome] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), scripts.run, script, self.name
        )
        return done.addCallback(self._is_down)

    def _is_down(self, outcome: scripts.Outcome) -> None:
        if outcome.failure is not None:
            self._report.warn(f"downscript {outcome.failure}")
        self._close_fd()

    def _close_fd(self) -> None:
        self._give_up_waiting()
        os.close(self._fd)
        self._fd = -1

    @property
    def gone(self) -> bool:
        """Whether the interface was deleted under us."""
        return self._gone

    @property
    def down(self) -> bool:
        """Whether the interface is down; no frame need have come for it."""
        return self._fd >= 0 and not (self._gone or self._waiting or self._tun.takes_packets(self._fd))

    # from the kernel

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return self._prefix

    def doRead(self) -> None:
        """Read until the TAP is empty, or a turn's share."""
        self._hand_on()

    def _hand_on(self) -> int:
        """Read a turn's share and hand it on; how many frames there were."""
        assert self._packets is not None
        receive = self._receive  # what was read before the TAP is lost is handed on too
        packets = self._packets
        batch = packets.read(TURN_FRAMES)
        if packets.error not in (0, errno.EAGAIN):
            self._lost(os.strerror(packets.error))
        if batch is None:
            return 0
        frames = packets.packets
        self.counters.frames_in += frames
        self.counters.bytes_in += packets.octets
        if receive is not None:
            receive(batch)
        return frames

    def pause(self) -> None:
        self._paused = True
        if self._receive is not None:
            self._reactor.removeReader(self)

    def resume(self) -> None:
        self._paused = False
        if self._receive is not None:
            self._reactor.addReader(self)

    def glance(self) -> None:
        if self._receive is not None and not self._paused:
            self._hand_on()

    def drain(self) -> None:
        drained = 0
        while self._receive is not None and drained < MOST_DRAINED and (frames := self._hand_on()):
            drained += frames

    def set_link(self, up: bool) -> None:
        """The carrier of the interface, as whoever uses it sees it."""
        if self._fd < 0 or self._gone:
            return
        try:
            self._tun.set_carrier(self._fd, up)
        except OSError as error:  # a kernel before 4.20, or an interface that is down
            self._report.warn(f"the kernel can't turn the carrier {'on' if up else 'off'}: {error.strerror}")

    def _lost(self, why: str | None) -> None:
        """The interface was deleted under us: reading and writing would only fail again."""
        self._gone = True
        self._reactor.removeReader(self)
        self._receive = None
        self._give_up_waiting()
        self._report.warn(
            f"TAP {self.name} can't be used any more: {why}; if it was deleted, with its namespace perhaps,"
            " only a restart makes it anew"
        )

    def connectionLost(self, reason: Failure) -> None:
        """What the reactor calls where its poller finds that out before doRead does."""
        if not self._gone:
            self._lost("the reactor gave it up" if reason.check(ConnectionDone, ConnectionLost) else str(reason.value))

    # to the kernel

    def send(self, batch: Batch) -> None:
        if self._fd < 0:
            self.counters.dropped_closed += len(batch)
        elif self._gone:
            self.counters.dropped_link_down += len(batch)
        else:
            if batch.vnet_hdr and not self.vnet_hdr:
                batch, left_out = without_vnet_headers(batch)
                self.counters.dropped_needs_vnet_hdr += left_out
            if self._waiting:
                self._wait_with(batch, 0)
            else:
                self._write(batch)

    def _write(self, batch: Batch) -> None:
        """Write the frames, in a form that the TAP has; if the kernel takes none for now, the rest waits."""
        assert self._packets is not None
        packets = self._packets
        at = 0
        while True:
            at = packets.write(batch.data, at, batch.vnet_hdr)
            self._count_written(packets.packets, packets.octets)
            if not packets.error:
                return
            if packets.error == errno.EAGAIN:
                self._wait_with(batch, at)
                self._reactor.addWriter(self)
                return
            self._drop_refused(packets.error)
            at = packets.behind(batch.data, at, batch.vnet_hdr)

    def _count_written(self, frames: int, octets: int) -> None:
        self.counters.frames_out += frames
        self.counters.bytes_out += octets
        if frames and self._dropped_while_down:
            self._up_again()

    def _drop_refused(self, error: int) -> None:
        if error in _DOWN:
            self.counters.dropped_link_down += 1
            self._dropped_while_down += 1
            if self._dropped_while_down == 1:
                self._report.warn(
                    f"TAP {self.name} is down, frames for it are dropped (ip link set {self.name} up, where it is now)"
                )
        else:
            self.counters.dropped_refused += 1
            self._report.warn(f"dropped a frame: the kernel refused it: {os.strerror(error)}", kind="refused")

    def _up_again(self) -> None:
        self._report.info(f"TAP {self.name} is up; {self._dropped_while_down} frames were dropped before")
        self._dropped_while_down = 0

    def _wait_with(self, batch: Batch, at: int) -> None:
        """Keep the frames from ``at`` on, as far as there is room."""
        assert self._packets is not None
        for packet in self._packets.packets_of(batch.data, at, batch.vnet_hdr):
            if self._waiting_bytes + len(packet) > self.properties.max_backlog:
                self.counters.dropped_backlog += 1
                continue
            self._waiting.append(packet)
            self._waiting_bytes += len(packet)
            self.counters.queued += 1

    def doWrite(self) -> None:
        """The kernel takes packets again."""
        assert self._packets is not None
        while self._waiting:
            size = self._packets.write_packet(self._waiting[0])
            if size == -errno.EAGAIN:
                return
            if size < 0:
                self._drop_refused(-size)
            else:
                self._count_written(1, size)
            self._waiting_bytes -= len(self._waiting.popleft())
        self._reactor.removeWriter(self)

    def _give_up_waiting(self) -> None:
        self._reactor.removeWriter(self)
        self.counters.dropped_closed += len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0


TAP = ObjectType("tap", "a TAP interface of the kernel's", TapProperties, Tap)

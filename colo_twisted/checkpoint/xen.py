"""
Xen's side of colo-compare, over the chardev ``notify_dev``: the messages of QEMU's docs/colo-proxy.txt.

They are ASCII, each in a frame. Xen says COLO_USERSPACE_PROXY_INIT and is answered
COLO_COMPARE_GET_XEN_INIT. DO_CHECKPOINT asks for a checkpoint, COLO_CHECKPOINT says that one has been made;
at that moment the primary's guest stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from colo_twisted.countdown import Countdown
from colo_twisted.counters import Counters
from colo_twisted.interfaces import FrontEnd, IChardev, ICheckpointer, Outcome
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.vnet import HEADER_SIZES
from colo_twisted.reporting import Reporter

INIT = b"COLO_USERSPACE_PROXY_INIT"
INIT_ANSWER = b"COLO_COMPARE_GET_XEN_INIT"
DO_CHECKPOINT = b"DO_CHECKPOINT"
CHECKPOINTED = b"COLO_CHECKPOINT"

LEAST_MESSAGE = VNET_LENGTH_SIZE  # so many bytes tell which form a frame has
MOST_MESSAGE = 4096


class MessageDecoder:
    """
    Reads short messages, in frames with and without a vnet header; gives them without.

    The four bytes behind the length are a vnet header's length, 0 as a rule, or the message's first
    letters: no letter is as small a number.
    """

    vnet_hdr = False

    def __init__(self) -> None:
        self.broken: str | None = None
        self._held = b""

    @property
    def held(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> Batch | None:
        """As FrameDecoder's."""
        if self.broken is not None:
            return None
        data = self._held + data
        messages: list[bytes] = []
        at = 0
        while (end := self._end(data, at)) is not None:
            start = at + LENGTH_SIZE + self._vnet_bytes(data, at)
            messages.append(data[start:end])
            at = end
        self._held = b"" if self.broken is not None else data[at:]
        return Batch.from_packets(messages) if messages else None

    def _end(self, data: bytes, at: int) -> int | None:
        """Where the frame at that place ends; None if that has not come yet, or the frame is refused."""
        if len(data) - at < LENGTH_SIZE:
            return None
        length = int.from_bytes(data[at : at + LENGTH_SIZE], "big")
        if not LEAST_MESSAGE <= length <= MOST_MESSAGE:
            self.broken = f"a message of {length} bytes (allowed: {LEAST_MESSAGE} to {MOST_MESSAGE})"
            return None
        if len(data) - at < LENGTH_SIZE + VNET_LENGTH_SIZE:
            return None
        end = at + LENGTH_SIZE + length
        if self._vnet_bytes(data, at):
            end += VNET_LENGTH_SIZE
        return end if end <= len(data) else None

    def _vnet_bytes(self, data: bytes, at: int) -> int:
        """The bytes between a frame's length and its message."""
        place = at + LENGTH_SIZE
        length = int.from_bytes(data[place : place + VNET_LENGTH_SIZE], "big")
        return VNET_LENGTH_SIZE + length if length in HEADER_SIZES else 0


@dataclass
class XenCounters(Counters):
    """Messages of Xen's and to it."""

    inits: int = 0
    asked: int = 0  # DO_CHECKPOINT, repeated ones too
    checkpoints: int = 0  # COLO_CHECKPOINT
    unasked: int = 0  # those of them that nobody here waited for
    failed: int = 0  # asked for, and cancelled or disconnected
    dropped_unknown: int = 0  # messages that mean nothing here


@implementer(ICheckpointer)
class XenCheckpointer:
    """
    Asks Xen for checkpoints, again and again until it is done.

    @ivar pauses_primary: True: see above.
    """

    pauses_primary = True

    def __init__(self, reactor: Any, chardev: IChardev, owner: str, repeat: float, report: Reporter) -> None:
        """
        Become the chardev's front end.

        @param owner: who it is for, in messages: "colo-compare 'comp0'".
        @param repeat: seconds between one DO_CHECKPOINT and the next while no answer comes.
        @raise StartError: the chardev has another front end.
        """
        self.id = chardev.id
        self.counters: XenCounters = XenCounters()
        self.unasked: Callable[[], None] = lambda: None
        self.wanted: Callable[[str], None] = lambda reason: None
        self.halts: Callable[[], None] = lambda: None
        self._chardev = chardev
        self._repeat = repeat
        self._report = report
        self._pending: Deferred[Outcome] | None = None
        self._next = Countdown(reactor)
        chardev.attach(
            FrontEnd(
                owner,
                receive=self._receive,
                connection_changed=self._connection_changed,
                decoder=MessageDecoder,
            )
        )

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        """Ask; FAILED at once while Xen isn't there, or is asked for another."""
        if self._pending is not None or not self._chardev.connected:
            self.counters.failed += 1
            return succeed(Outcome.FAILED)
        asked = self._pending = Deferred()
        self._ask()
        return asked

    def cancel(self) -> None:
        """Ask no more. What Xen makes after all, it makes unasked."""
        self._end(Outcome.FAILED)

    def change_repeat(self, repeat: float) -> None:
        """Let so many seconds be between one DO_CHECKPOINT and the next."""
        self._repeat = repeat
        self._next.last(repeat)

    def _ask(self) -> None:
        self.counters.asked += 1
        self._next.begin(self._repeat, self._ask)
        self._chardev.write(Batch.from_packets([DO_CHECKPOINT]))

    def _end(self, outcome: Outcome) -> None:
        self._next.end()
        pending, self._pending = self._pending, None
        if pending is not None:
            self.counters.failed += outcome is Outcome.FAILED
            pending.callback(outcome)

    def _receive(self, batch: Batch) -> None:
        for message in batch.packets():
            text = message.rstrip(b"\0")
            if text == INIT:
                self.counters.inits += 1
                self._chardev.write(Batch.from_packets([INIT_ANSWER]))
            elif text == CHECKPOINTED:
                self._checkpointed()
            else:
                self.counters.dropped_unknown += 1
                self._report.warn(f"an unknown message on '{self._chardev.id}': {text[:40]!r}", kind="unknown")

    def _checkpointed(self) -> None:
        self.counters.checkpoints += 1
        if self._pending is not None:
            self._end(Outcome.DONE)
        else:
            self.counters.unasked += 1
            self.unasked()

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            self._end(Outcome.FAILED)

    def open(self) -> None:
        """Nothing needs privileges."""

    def start(self) -> None:
        """It asks when it is asked."""

    def stop(self) -> None:
        self.cancel()

    def close(self) -> None:
        """Nothing was opened."""

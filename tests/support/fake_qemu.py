"""
The far end of a QMP socket, in memory: a QEMU under COLO as far as its QMP client sees it.

What it says stands in the kernel's queue until the transport's doRead is called: by the reactor (``turn``), or by the
client, who wants to know what has been said by now.
"""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure

from colo_twisted.link.reach import Reach
from colo_twisted.options import ObjectType, Properties
from colo_twisted.packets.batch import Batch
from tests.support.fakes import FakeNetdev, batch_of
from tests.support.house import Types

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": ""}, "capabilities": []}}
READ_BYTES = 1 << 16


class Line:
    """The client's transport: writes go to QEMU at once, what QEMU says waits in ``kernel``."""

    def __init__(self, qemu: FakeQEMU, protocol: Any) -> None:
        self.kernel = bytearray()
        self.ended = False  # QEMU has closed its end
        self.lost = False  # and the client knows, or has closed its own
        self.taken = 0  # bytes that were read
        self._qemu = qemu
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        if not self.lost and not self.ended:
            self._qemu.hears(data)

    def doRead(self) -> object:
        """As twisted.internet.tcp's: at most so many bytes, and of an end only the reactor takes notice."""
        if self.lost:
            return None
        size = next(self._qemu.reads, READ_BYTES)
        data, self.kernel[:size] = bytes(self.kernel[:size]), b""
        if data:
            self.taken += len(data)
            self._protocol.dataReceived(data)
            return None
        return ConnectionDone() if self.ended else None

    def loseConnection(self) -> None:
        self._close(ConnectionDone())

    def abortConnection(self) -> None:
        self._close(ConnectionAborted())

    def _close(self, why: Exception) -> None:
        if not self.lost:
            self.lost = True
            self._qemu.reactor.callLater(0, self._tell, why)

    def _tell(self, why: Exception) -> None:
        self._qemu.line = None
        self._protocol.connectionLost(Failure(why))

    def turn(self) -> bool:
        """One turn of the reactor; whether anything has come of it."""
        before = self.taken, self.lost
        if isinstance(why := self.doRead(), Exception):
            self._close(why)
        return (self.taken, self.lost) != before


@dataclasses.dataclass(frozen=True)
class FakeAddress:
    """Where a FakeQEMU is, in place of a socket's address."""

    qemu: FakeQEMU

    def __str__(self) -> str:
        return "unix:a-test"

    def client(self, reactor: Any) -> FakeAddress:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        """As an IStreamClientEndpoint does."""
        self.qemu.tried.append(self.qemu.reactor.seconds())
        if not self.qemu.listens:
            return fail(ConnectError(errno.ECONNREFUSED))
        return succeed(self.qemu.accept(factory.buildProtocol(None)))


class FakeQEMU:
    """
    One QEMU.

    @ivar mode: what query-colo-status says, and status: what query-status says.
    @ivar tried: when somebody tried to connect.
    @ivar listens: whether a connection is accepted.
    @ivar greets: whether it greets who connects.
    @ivar hangs: it hears commands and answers none.
    @ivar first: what it says before its greeting.
    @ivar reads: how many bytes each read of the client's finds; the rest is found whole.
    @ivar answers: what it returns in place of its own answer, by command.
    @ivar refuses: the error's text, by command.
    @ivar asked: the commands that came, with their arguments.
    @ivar on: called when a command comes, before it is answered.
    """

    def __init__(self, reactor: Any, role: str = "primary") -> None:
        self.reactor = reactor
        self.role = self.mode = role
        self.status = "running"
        self.delay = 20_000
        self.listens = self.greets = True
        self.hangs = False
        self.first: list[dict[str, Any]] = []
        self.reads: Iterator[int] = iter(())
        self.answers: dict[str, Any] = {}
        self.refuses: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.on: dict[str, Callable[[], None]] = {}
        self.tried: list[float] = []
        self.connects = 0
        self.line: Line | None = None
        self._heard = b""

    def plug_in(self, reach: Reach) -> None:
        """Be what that connects to."""
        reach.options = dataclasses.replace(reach.options, address=FakeAddress(self))  # type: ignore[arg-type]

    # the connection

    def accept(self, protocol: Any) -> Any:
        self.connects += 1
        self._heard = b""
        self.line = Line(self, protocol)
        protocol.makeConnection(self.line)
        self.puts(*self.first, *([GREETING] if self.greets else []))
        return protocol

    def puts(self, *messages: dict[str, Any]) -> None:
        """Say this: into the kernel's queue."""
        self.puts_bytes(b"".join(json.dumps(message).encode() + b"\r\n" for message in messages))

    def puts_bytes(self, data: bytes) -> None:
        if self.line is not None and not self.line.ended:
            self.line.kernel += data

    def ends(self) -> None:
        """Close the socket, behind what was said."""
        assert self.line is not None
        self.line.ended = True

    def turn(self) -> bool:
        """A turn of the reactor; whether anything has come of it."""
        return self.line is not None and self.line.turn()

    def settle(self) -> None:
        """Turns of the reactor, until nothing happens any more."""
        self.reactor.advance(0)
        while self.turn():
            self.reactor.advance(0)
        self.reactor.advance(0)

    # what it is asked

    def hears(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            self._asked(request["execute"], request.get("arguments", {}))

    def _asked(self, command: str, arguments: dict[str, Any]) -> None:
        self.asked.append((command, arguments))
        self.on.get(command, lambda: None)()
        if self.hangs:
            return
        if command in self.refuses:
            self.puts({"error": {"class": "GenericError", "desc": self.refuses[command]}})
        elif command in self.answers:
            self.puts({"return": self.answers[command]})
        else:
            self.puts({"return": self._answer(command, arguments)})

    def _answer(self, command: str, arguments: dict[str, Any]) -> Any:
        if command == "query-colo-status":
            return {"mode": self.mode, "last-mode": "none", "reason": "none"}
        if command == "query-status":
            return {"status": self.status, "running": self.status == "running", "singlestep": False}
        if command == "query-migrate-parameters":
            return {"x-checkpoint-delay": self.delay, "max-bandwidth": 1 << 27}
        if command == "migrate-set-parameters":
            self.delay = arguments["x-checkpoint-delay"]
        if command == "x-colo-lost-heartbeat":
            self.leaves_colo("request")
        return {}

    def commands(self, *names: str) -> list[str]:
        """Those that have come since this was last asked; with names, only such."""
        asked, self.asked = self.asked, []
        return [command for command, _ in asked if not names or command in names]

    # what becomes of its guest, each with the event that QEMU emits

    def emits(self, event: str, **data: Any) -> None:
        stamp = {"seconds": 1, "microseconds": 0}
        self.puts({"timestamp": stamp, "event": event, **({"data": data} if data else {})})

    def begins(self) -> None:
        """A checkpoint: the guest stands still."""
        self.status = "colo"
        self.emits("STOP")

    def runs(self) -> None:
        """And goes on."""
        self.status = "running"
        self.emits("RESUME")

    def pauses(self) -> None:
        """An operator's stop."""
        self.status = "paused"
        self.emits("STOP")

    def exits(self, reason: str = "error") -> None:
        """COLO ends, without anybody's command: QEMU still says its mode, and the guest runs on."""
        was_still = self.status == "colo"
        self.emits("COLO_EXIT", mode=self.role, reason=reason)
        if was_still:
            self.runs()

    def leaves_colo(self, reason: str) -> None:
        """By x-colo-lost-heartbeat."""
        if self.mode == "none":
            return
        if self.status == "running":
            self.begins()
        self.exits(reason)
        self.mode = "none"


class GuestNetdev(FakeNetdev):
    """Where a guest is plugged in; what it says stands in the kernel's queue until that is read."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.kernel: list[Batch] = []

    def says(self, *packets: bytes) -> None:
        self.kernel.append(batch_of(*packets))

    def drain(self) -> None:
        while self.kernel:
            self.receive(self.kernel.pop(0))


def with_guest_netdevs(types: Types) -> Types:
    """The same types, and a netdev ``guest``: a GuestNetdev."""
    guest = ObjectType("guest", "a GuestNetdev", Properties, lambda properties, _: GuestNetdev(properties.id))
    return Types({**types._more, "netdev": (*types._more.get("netdev", ()), guest)})

"""What compares the two streams: ours, compiled and not, QEMU's, or nobody (a relay)."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.feeding import Ends
from benchmarks.compare.sockets import NAMES, Sockets
from benchmarks.processes import Running, wait_until
from benchmarks.programs import COMPILED, OURS_WORDS, PLAIN, QEMU_WORDS, Build

COMPARE = "colo-compare,id=comp0,primary_in=primary_in,secondary_in=secondary_in,outdev=out,iothread=iothread1"
RELAY = Path(__file__).with_name("relay.py")

# An ARP request: what isn't IP goes from the primary's side straight to the output, at QEMU's too.
_ARP = bytes.fromhex("ffffffffffff 52a400127866 0806 0001080006040001 52a400127866 0a010002 000000000000 0a020000")
PROBE = len(_ARP).to_bytes(4, "big") + _ARP


@dataclass(frozen=True)
class Contestant:
    """
    One program that listens at three sockets.

    ``words`` is called with them; ``build`` is what it must be, one of ours.
    """

    name: str
    words: Callable[[Sockets], tuple[str, ...]]
    build: Build | None = None

    def program(self, sockets: Sockets) -> Running:
        """Started; a context manager that ends it."""
        return Running(*self.words(sockets), environment=self.build.environment if self.build else None)

    @contextmanager
    def running(self, sockets: Sockets) -> Iterator[tuple[Running, Ends]]:
        """While it runs, all three sockets connected and served. Raises BenchmarkError."""
        with self.program(sockets) as program:
            if self.build is not None:
                self.build.wait_for(program, self.name)
            with Ends.of(sockets) as ends:
                _wait_until_served(ends, self.name)
                yield program, ends


def _wait_until_served(ends: Ends, name: str) -> None:
    """A connection can be accepted later than made, and what was released until then is lost."""

    def answered() -> bool:
        ends.primary.send(PROBE)
        ends.secondary.send(PROBE)
        return _came_out(ends.out) > 0

    wait_until(answered, f"{name}: a probe to come out")
    wait_until(lambda: _came_out(ends.out) == 0, f"{name}: the last probe to come out")


def _came_out(out: socket.socket) -> int:
    """Bytes that came out within a short while."""
    out.settimeout(0.1)
    try:
        return len(out.recv(1 << 16))
    except TimeoutError:
        return 0
    finally:
        out.setblocking(False)


def _chardevs(sockets: Sockets) -> tuple[str, ...]:
    options = (f"socket,id={name},{sockets.chardev(name)},server=on,wait=off" for name in NAMES)
    return tuple(word for each in options for word in ("-chardev", each))


def _ours(sockets: Sockets) -> tuple[str, ...]:
    return (*OURS_WORDS, *_chardevs(sockets), "-object", "iothread,id=iothread1", "-object", COMPARE)


def _qemu(sockets: Sockets) -> tuple[str, ...]:
    return (*QEMU_WORDS, *_chardevs(sockets), "-object", "iothread,id=iothread1", "-object", COMPARE)


def _qemu_long_queues(sockets: Sockets) -> tuple[str, ...]:
    *words, compare = _qemu(sockets)
    return (*words, f"{compare},max_queue_size=16384")


def _relay(sockets: Sockets) -> tuple[str, ...]:
    return (sys.executable, str(RELAY), *map(sockets.word, NAMES))


OURS = Contestant("ours", _ours, COMPILED)
OURS_PLAIN = Contestant("ours, not compiled", _ours, PLAIN)
QEMU_COMPARE = Contestant("QEMU", _qemu)
QEMU_LONG_QUEUES = Contestant("QEMU, max_queue_size=16384", _qemu_long_queues)
NOBODY = Contestant("nobody: a relay", _relay)

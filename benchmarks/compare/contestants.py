"""What compares the two streams: ours, compiled and not, QEMU's, or nobody (a relay)."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.feeding import OUT, PRIMARY_IN, SECONDARY_IN, Ends
from benchmarks.processes import BenchmarkError, Running, wait_until
from benchmarks.programs import COMPILED, OURS_WORDS, PLAIN, PLAIN_ENVIRONMENT, QEMU_WORDS

COMPARE = "colo-compare,id=comp0,primary_in=primary_in,secondary_in=secondary_in,outdev=out,iothread=iothread1"
RELAY = Path(__file__).with_name("relay.py")

# An ARP request: what isn't IP goes from the primary's side straight to the output, at QEMU's too.
_ARP = bytes.fromhex("ffffffffffff 52a400127866 0806 0001080006040001 52a400127866 0a010002 000000000000 0a020000")
PROBE = len(_ARP).to_bytes(4, "big") + _ARP


@dataclass(frozen=True)
class Contestant:
    """
    One program with three unix sockets in a folder.

    ``words`` is called with that; ``says`` is what its output must say once it runs.
    """

    name: str
    words: Callable[[Path], tuple[str, ...]]
    says: str = ""
    environment: Mapping[str, str] | None = None  # None: this process's

    @contextmanager
    def running(self, folder: Path) -> Iterator[tuple[Running, Ends]]:
        """While it runs, all three sockets connected and served. Raises BenchmarkError."""
        with Running(*self.words(folder), environment=self.environment, folder=folder) as program:
            listening = [folder / name for name in (PRIMARY_IN, SECONDARY_IN, OUT)]
            program.wait_for(lambda: all(path.exists() for path in listening), f"{self.name}: its sockets")
            program.wait_for(lambda: "running" in program.output or not self.says, f"{self.name} to run")
            if self.says not in program.output:
                raise BenchmarkError(f"{self.name} doesn't say '{self.says}': is PYTHONPATH set as `make bench` does?")
            with Ends(folder) as ends:
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


def _chardevs(folder: Path) -> tuple[str, ...]:
    names = (PRIMARY_IN, SECONDARY_IN, OUT)
    sockets = (f"socket,id={name},path={folder / name},server=on,wait=off" for name in names)
    return tuple(word for each in sockets for word in ("-chardev", each))


def _ours(folder: Path) -> tuple[str, ...]:
    return (*OURS_WORDS, *_chardevs(folder), "-object", "iothread,id=iothread1", "-object", COMPARE)


def _qemu(folder: Path) -> tuple[str, ...]:
    return (*QEMU_WORDS, *_chardevs(folder), "-object", "iothread,id=iothread1", "-object", COMPARE)


def _qemu_long_queues(folder: Path) -> tuple[str, ...]:
    *words, compare = _qemu(folder)
    return (*words, f"{compare},max_queue_size=16384")


def _relay(folder: Path) -> tuple[str, ...]:
    return (sys.executable, str(RELAY), str(folder))


OURS = Contestant("ours", _ours, COMPILED)
OURS_PLAIN = Contestant("ours, not compiled", _ours, PLAIN, PLAIN_ENVIRONMENT)
QEMU_COMPARE = Contestant("QEMU", _qemu)
QEMU_LONG_QUEUES = Contestant("QEMU, max_queue_size=16384", _qemu_long_queues)
NOBODY = Contestant("nobody: a relay", _relay)

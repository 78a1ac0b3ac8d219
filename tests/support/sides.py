"""Our process and QEMU set up alike: a network and a guest that a test holds, and filters between them."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from pathlib import Path
from types import TracebackType

from tests.support.cables import FarEnd
from tests.support.processes import PATIENCE, Colo
from tests.support.qemu import QEMU, hub

Program = type[Colo] | type[QEMU]

_numbers = itertools.count()


class Side:
    """
    One program with netdev hn0, whose far end is ``network``, and behind it g0, whose far end is ``guest``.

    With ``hn0``, a netdev's type and properties, that stands there instead, and ``network`` is idle.
    A context manager that starts the program; it can be killed and started again, with the same far ends.
    """

    process: Colo | QEMU

    def __init__(self, program: Program, folder: Path, *arguments: str, hn0: str | None = None) -> None:
        self.program = program
        self.network = FarEnd()
        self.guest = FarEnd()
        self._folder = folder
        self._arguments = list(arguments)
        self._hn0 = hn0

    def __enter__(self) -> Side:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.process.__exit__(None, None, None)
        self.network.__exit__(None, None, None)
        self.guest.__exit__(None, None, None)

    def start(self) -> None:
        plug_in = hub("hn0", "g0") if self.program is QEMU else ["-device", "e1000,netdev=hn0,guest=g0"]
        with self.network.plug() as network, self.guest.plug() as guest:
            hn0 = self._hn0 or f"socket,fd={network.fileno()}"
            netdevs = ["-netdev", f"{hn0},id=hn0", "-netdev", f"socket,id=g0,fd={guest.fileno()}"]
            self.process = self.program(
                [*netdevs, *plug_in, *self._arguments],
                self._folder,
                f"{self.program.__name__}{next(_numbers)}",
                pass_fds=(network.fileno(), guest.fileno()),
            )
        self.process.__enter__()

    def kill(self) -> None:
        """As a power cut would: no goodbye."""
        self.process.popen.kill()
        self.process.popen.wait(PATIENCE)

    def wait_connected(self, chardev: str) -> None:
        if isinstance(self.process, QEMU):
            self.process.wait_connected(chardev)
        else:
            self.process.wait_for_output(f"chardev {chardev}: connected to")

    def wait_netdev_connected(self) -> None:
        """Until hn0 has its far end."""
        if isinstance(self.process, QEMU):
            self.process.wait_netdev_connected("hn0")
        else:
            self.process.wait_for_output("netdev hn0: connected to")


def address(transport: str, folder: Path) -> str:
    """Properties of a chardev that say where, for the server and its client alike."""
    if transport == "unix":
        return f"path={folder}/chardev"
    return f"host=127.0.0.1,port={free_port()}"


def free_port() -> int:
    """A TCP port of 127.0.0.1, outside the range from which the kernel picks those of clients."""
    while True:
        port = random.randint(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port

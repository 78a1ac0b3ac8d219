"""A real QEMU, driven by QMP; without machine and guest it has netdevs, a hub, chardevs and filters."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.support.namespaces import need
from tests.support.processes import PATIENCE, Process, wait_until

PROGRAM = "qemu-system-x86_64"
Made = TypeVar("Made", bound="QMPProcess")


def hub(*netdevs: str) -> list[str]:
    """The arguments that join netdevs by QEMU's hub: what one brings in goes out of all the others."""
    arguments = []
    for netdev in netdevs:
        arguments += ["-netdev", f"hubport,id=port-{netdev},hubid=0,netdev={netdev}"]
    return arguments


class QMPProcess(Process):
    """A QEMU with a QMP socket at a path, where ``qmp`` is connected once the context is entered."""

    qmp: QMP

    def __init__(
        self, name: str, words: list[str], socket_path: Path, log: Path, pass_fds: tuple[int, ...] = ()
    ) -> None:
        """
        @param name: whose it is, in messages.
        """
        self.name = name
        self._socket_path = socket_path
        super().__init__(words, log, pass_fds)

    def __enter__(self: Made) -> Made:
        try:
            wait_until(self._answers, f"{self.name}'s QMP socket")
        except BaseException as error:
            self.__exit__(None, None, None)
            raise AssertionError(f"{error}\n{self.output}") from None
        return self

    def _answers(self) -> bool:
        assert self.popen.poll() is None, f"{self.name} has ended"
        try:
            self.qmp = QMP(self._socket_path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if hasattr(self, "qmp"):
            self.qmp.close()
        super().__exit__(kind, error, trace)


class QEMU(QMPProcess):
    """QEMU with these -netdev, -chardev and -object arguments, ready once the context is entered."""

    def __init__(self, arguments: list[str], folder: Path, name: str = "qemu", pass_fds: tuple[int, ...] = ()) -> None:
        need(PROGRAM)
        control = folder / f"{name}.qmp"
        words = [PROGRAM, "-M", "none", "-accel", "tcg", "-display", "none", "-nodefaults"]
        words += ["-qmp", f"unix:{control},server=on,wait=off", *arguments]
        super().__init__("QEMU", words, control, folder / f"{name}.log", pass_fds)

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a QMP command; what it returned."""
        return self.qmp.execute(command, arguments or {})

    def ask(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The whole answer: 'return' or 'error'."""
        return self.qmp.ask(command, arguments)

    def connected(self, chardev: str) -> bool:
        """Whether a socket chardev has a peer, as far as QEMU has noticed."""
        (filename,) = (row["filename"] for row in self.execute("query-chardev") if row["label"] == chardev)
        return not str(filename).startswith("disconnected:")

    def wait_connected(self, chardev: str) -> None:
        wait_until(lambda: self.connected(chardev), f"QEMU's chardev {chardev} is connected")

    def netdev_connected(self, netdev: str) -> bool:
        """Whether a socket or stream netdev has a far end: QEMU tells this to people only."""
        lines = self.execute("human-monitor-command", {"command-line": "info network"}).splitlines()
        (text,) = (line.split(",", 2)[2] for line in lines if f" {netdev}: index=" in line)
        return text not in ("", "connection error")

    def wait_netdev_connected(self, netdev: str) -> None:
        wait_until(lambda: self.netdev_connected(netdev), f"QEMU's netdev {netdev} is connected")


class QMP:
    """
    A client of QEMU's machine protocol: one command at a time.

    ``events`` has those that came while something was read.
    """

    def __init__(self, path: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("r")
        assert "QMP" in self._next()
        self.execute("qmp_capabilities", {})

    def execute(self, command: str, arguments: dict[str, Any]) -> Any:
        answer = self.ask(command, arguments)
        assert "return" in answer, f"{command}: {answer}"
        return answer["return"]

    def ask(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The whole answer."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        return self._next()

    def wait_for(self, event: str, times: int = 1) -> dict[str, Any]:
        """Until an event of that name has come so many times in all; the last of these."""
        while len(known := self.named(event)) < times:
            self._read()
        return known[times - 1]

    def named(self, *events: str) -> list[dict[str, Any]]:
        """The events of these names that came by now."""
        return [got for got in self.events if got["event"] in events]

    def _next(self) -> dict[str, Any]:
        """What is no event: one of those (RESUME, while it starts) may even come before QEMU's greeting."""
        while "event" in (said := self._read()):
            pass
        return said

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "QEMU has closed the QMP connection"
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

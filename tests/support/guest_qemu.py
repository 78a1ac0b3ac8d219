"""A real QEMU with the guest of colo_guest in it, under TCG, ready for x-colo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.colo_guest.build import GuestFiles
from tests.support.namespaces import Host, need, run
from tests.support.processes import wait_until
from tests.support.qemu import PROGRAM, QMPProcess
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC

MEMORY = 128  # MB
BOOTING = 60.0  # seconds; 5 on an idle machine


def need_qemu_72() -> None:
    """Skip without it: before and after, x-colo fails under TCG in other ways than those that the shim mends."""
    need(PROGRAM)
    version = run(PROGRAM, "--version")
    if re.search(r"version 7\.2\.", version) is None:
        pytest.skip(f"needs QEMU 7.2: {version.splitlines()[0]}")


class GuestQEMU(QMPProcess):
    """
    A QEMU in a host, with these properties of netdev hn0 and these arguments; its QMP is up once the context is.

    ``control`` is a second QMP socket, for whoever drives it besides the test: each serves one client at a time.
    """

    def __init__(
        self,
        name: str,
        host: Host,
        files: GuestFiles,
        netdev: str,
        arguments: list[str],
        folder: Path,
        kernel_words: str = "",
    ) -> None:
        """
        @param kernel_words: more for the kernel's command line, see ``init``.
        """
        self.host = host
        self.serial = folder / f"{name}.serial"
        self.control = folder / f"{name}.control"
        qmp = folder / f"{name}.qmp"
        machine = ["-machine", "pc", "-accel", "tcg", "-smp", "1", "-m", str(MEMORY), "-nodefaults", "-no-reboot"]
        shown = ["-name", name, "-display", "none", "-serial", f"file:{self.serial}"]
        kernel = ["-kernel", str(files.kernel), "-initrd", str(files.initrd)]
        line = ["-append", f"console=ttyS0 quiet panic=-1 address={GUEST}/24 client={CLIENT} {kernel_words}"]
        monitors = [f"-qmp unix:{path},server=on,wait=off" for path in (qmp, self.control)]
        # e1000 has no vnet header, with which QEMU's own comparer would have to be told more
        device = f"-netdev {netdev},id=hn0 -device e1000,id=e0,netdev=hn0,mac={GUEST_MAC}"
        words = [*machine, *shown, *kernel, *line, *" ".join([*monitors, device]).split(), *arguments]
        started = host.words("env", f"LD_PRELOAD={files.shim}", PROGRAM, *words)
        super().__init__(name, started, qmp, folder / f"{name}.log")

    def wait_ready(self) -> None:
        """Until the guest serves."""
        wait_until(lambda: "GUEST READY" in self._printed(), f"{self.name}'s guest being ready", BOOTING)

    def _printed(self) -> str:
        assert self.popen.poll() is None, f"{self.name} has ended:\n{self.output}"
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def migration(self) -> str:
        """The state of its migration."""
        return str(self.qmp.execute("query-migrate", {}).get("status"))

    def allow_colo(self) -> None:
        self.qmp.execute("migrate-set-capabilities", {"capabilities": [{"capability": "x-colo", "state": True}]})

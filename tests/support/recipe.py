"""
The commands of docs/qemu.md, in two hosts with a guest of ours: as the page has them, but for where things are.

A clients' bridge in each host, with its TAP in it by etc/qemu-ifup.example; a cable between the two, for the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.colo_guest.build import GuestFiles
from tests.support.namespaces import Host, Hosts, run
from tests.support.processes import PATIENCE, TWISTD, Process, wait_until
from tests.support.qemu_pair import CLIENT_PROGRAM, Visit
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC

ROOT = Path(__file__).parents[2]
ETC = ROOT / "etc"
ADDRESSES = {"one": "10.22.1.2", "two": "10.22.1.3"}
DISK_SIZE = "16M"
_QUICK = "route change 10.22.1.0/24 dev cross proto kernel scope link src {} quickack 1"


def commands(heading: str) -> list[tuple[str, str]]:
    """Where ('one' or 'two') and what, of the lines below a heading of the page."""
    page = (ROOT / "docs/qemu.md").read_text()
    _, found, below = page.partition(f"# {heading}\n")
    assert found, heading
    section = re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^    (one|two)# (.+)$", section, re.MULTILINE)


def put_together(folder: Path, **settings: object) -> None:
    """A host's /etc/colo/qemu, with these settings in its guest.env; a setting of another name is an error."""
    shutil.copytree(ETC / "qemu", folder)
    text = (folder / "guest.env").read_text()
    for name, value in settings.items():
        text, times = re.subn(f"(?m)^{name}=.*$", f"{name}={value}", text)
        assert times == 1, name
    (folder / "guest.env").write_text(text)


def program(path: Path, text: str) -> Path:
    """A shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class Side:
    """One of the two hosts. ``off`` is there once nothing of it runs: its fence believes that."""

    def __init__(self, name: str, host: Host, other: str, folder: Path, files: GuestFiles, with_disk: bool) -> None:
        self.name = name
        self.host = host
        self.folder = folder / name
        self.off = self.folder / "off"
        self._services: dict[str, Process] = {}
        self._logs = 0
        append = f"console=ttyS0 quiet panic=-1 address={GUEST}/24 client={CLIENT}"
        self._guest = ["-kernel", str(files.kernel), "-initrd", str(files.initrd), "-append", append, "-no-reboot"]
        for made in (self.folder, self.folder / "run", self.folder / "lib", self.folder / "etc"):
            made.mkdir()
        qemu = program(self.folder / "qemu", f'exec env LD_PRELOAD={files.shim} qemu-system-x86_64 "$@"')
        settings = {"QEMU": qemu, "ACCEL": "tcg", "MEMORY": 128, "MAC": GUEST_MAC, "RUN": self.folder / "run"}
        settings |= {"DISK": self.disk} if with_disk else {}
        put_together(self.folder / "etc/qemu", ADDRESS=ADDRESSES[name], **settings)
        if with_disk:
            run("qemu-img", "create", "-q", "-f", "qcow2", str(self.disk), DISK_SIZE)
        program(self.folder / "etc/fence", f"[ -e {folder / other / 'off'} ]")
        role = "primary" if name == "one" else "secondary"
        shutil.copy(ETC / f"qemu/{role}.conf", self.folder / "etc/colo.conf")

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def console(self) -> str:
        """What the guest has printed."""
        path = self.folder / "run/guest.serial"
        return path.read_text(errors="replace") if path.exists() else ""

    def _here(self, text: str) -> str:
        for there, here in (("/etc/colo", "etc"), ("/run/colo", "run"), ("/var/lib/colo", "lib")):
            text = text.replace(there, str(self.folder / here))
        return re.sub(r"/etc/(qemu-if\w+)", rf"{ETC}/\1.example", text)

    def do(self, command: str) -> str:
        """One of the page's; what it printed. It must succeed."""
        words = command.split()
        if words[:3] == ["systemd-run", "--collect", "--unit=guest"]:
            self._start("guest", [*map(self._here, words[3:]), *self._guest])
        elif words[:2] == ["systemctl", "start"]:
            self._start_colo()
        elif words[:2] == ["systemctl", "stop"]:
            self._services.pop(words[2]).stop()
        else:
            return self._run(self._here(command))
        return ""

    def _run(self, line: str) -> str:
        done = subprocess.run(self._words("sh", "-c", line), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{self.name}# {line}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _words(self, *words: str) -> list[str]:
        path = f"PATH={Path(TWISTD).parent}:{os.environ['PATH']}"
        return self.host.words("env", path, f"COLO_QMP={self.folder / 'run/qmp.sock'}", *words)

    def _start(self, name: str, words: list[str]) -> Process:
        self._logs += 1
        self._services[name] = Process(self._words(*words), self.folder / f"{name}{self._logs}.log")
        return self._services[name]

    def _start_colo(self) -> None:
        if "colo" not in self._services:
            configuration = self.folder / "colo.conf"
            configuration.write_text(self._here((self.folder / "etc/colo.conf").read_text()))
            words = [TWISTD, "-n", f"--pidfile={self.folder}/colo.pid", "colo", "-readconfig", str(configuration)]
            self._start("colo", words).wait_for_output("colo: running")

    def kill(self, *names: str) -> None:
        """With nothing left of these services, or by default of any."""
        for name in names or list(self._services):
            process = self._services.pop(name)
            process.popen.kill()
            process.popen.wait()
        if not self._services:
            self.off.touch()

    def end(self) -> None:
        """Whatever still runs."""
        for process in self._services.values():
            process.__exit__(None, None, None)

    def tell(self) -> None:
        """What all have printed."""
        for path in sorted(self.folder.glob("*.log")):
            print(f"--- {self.name}: {path.name}\n{path.read_text(errors='replace')[-6000:]}")

    def state(self) -> str:
        """The replica's."""
        return str(json.loads(self.do("colo-ctl qmp query-colo-replica"))["state"])

    def mode(self) -> str:
        """QEMU's: primary, secondary or none."""
        return str(json.loads(self.do("colo-ctl -s /run/colo/guest.qmp qmp query-colo-status"))["mode"])

    def on_disk(self, command: str) -> None:
        """What qemu-io is to do with the guest's disk; it says in QEMU's own output what came of it."""
        line = shlex.quote(f'command-line=qemu-io colo-disk0 "{command}"')
        self.do(f"colo-ctl -s /run/colo/guest.qmp qmp human-monitor-command {line}")

    @property
    def wrong_on_disk(self) -> list[str]:
        """What qemu-io has read and not found as it was told, since QEMU was started."""
        output = self._services["guest"].output
        return re.findall("^Pattern verification failed.*", output, re.MULTILINE)


class Recipe:
    """A context manager: two hosts without anything in them, and a client."""

    one: Side
    two: Side

    def __init__(self, folder: Path, files: GuestFiles, with_disk: bool) -> None:
        self._folder = folder
        self._files = files
        self._with_disk = with_disk
        self._visits = 0
        self._has_booted = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Recipe:
        with contextlib.ExitStack() as stack:
            hosts = stack.enter_context(Hosts())
            self.switch, self.client, one, two = map(hosts.add, ("sw", "c", "one", "two"))
            hosts.bridge(self.switch, "lan")
            hosts.cable(self.client, "lan", self.switch, "client")
            self.switch.ip("link set client master lan")
            self.client.ip(f"addr add {CLIENT}/24 dev lan")
            self.client.ip(f"neigh replace {GUEST} lladdr {GUEST_MAC} dev lan nud permanent")
            hosts.cable(one, "cross", two, "cross")
            for name, other, host in (("one", "two", one), ("two", "one", two)):
                self._cable(hosts, name, host)
                side = Side(name, host, other, self._folder, self._files, self._with_disk)
                stack.callback(side.end)
                setattr(self, name, side)
            self._stack = stack.pop_all()
        return self

    def _cable(self, hosts: Hosts, name: str, host: Host) -> None:
        hosts.bridge(host, "br0")
        hosts.cable(host, "out", self.switch, name)
        host.ip("link set out master br0")
        self.switch.ip(f"link set {name} master lan")
        host.ip(f"addr add {ADDRESSES[name]}/24 dev cross")
        host.ip(_QUICK.format(ADDRESSES[name]))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            self.one.tell()
            self.two.tell()
        self._stack.close()

    def do(self, heading: str) -> None:
        """All that the page has there; a guest is copied once it has booted."""
        for where, command in commands(heading):
            side: Side = getattr(self, where)
            if "copy-guest" in command and not self._has_booted:
                wait_until(lambda: "GUEST READY" in self.one.console, "one's guest being ready", 3 * PATIENCE)
                self._has_booted = True
            print(f"{where}# {command}\n{side.do(command)}", end="")
            side.off.unlink(missing_ok=True)

    def visit(self, kind: str, *numbers: object) -> Visit:
        """Run the client to its end."""
        return self.told(self.visiting(kind, *numbers))

    def visiting(self, kind: str, *numbers: object) -> Process:
        """The same while a test does something else; ``told`` waits for it."""
        words = self.client.words(sys.executable, str(CLIENT_PROGRAM), kind, GUEST, *map(str, numbers))
        self._visits += 1
        return self._stack.enter_context(Process(words, self._folder / f"client{self._visits}"))

    def told(self, visiting: Process) -> Visit:
        visiting.popen.wait(120)
        return Visit(**json.loads(visiting.output))

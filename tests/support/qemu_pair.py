"""
Two real QEMUs under COLO, and a client: their proxy inside them, or outside, in ``twistd colo``.

A switch joins the client and both sides' TAPs; a cable the two hosts, for what goes between them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.colo_guest.build import GuestFiles
from tests.support.guest_qemu import GuestQEMU
from tests.support.guest_visits import Visit
from tests.support.lan import SNIFFER
from tests.support.namespaces import Hosts
from tests.support.processes import Colo, Process, wait_until
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC, NO_SCRIPTS

PRIMARY_HOST, SECONDARY_HOST = "10.22.1.2", "10.22.1.3"
CLIENT_PROGRAM = Path(__file__).with_name("colo_guest") / "client.py"
SELDOM = 3_600_000  # ms between checkpoints: in a test's time, none by itself

_MIRROR0 = f"-chardev socket,id=mirror0,host={PRIMARY_HOST},port=9003,server=on,wait=off"
_COMPARE1 = f"-chardev socket,id=compare1,host={PRIMARY_HOST},port=9004,server=on,wait=off"
_FILTERS = """
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0
    -object filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out
    -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0
"""
_COMPARE = "-object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0"
_RED = f"""
    -chardev socket,id=red0,host={PRIMARY_HOST},port=9003,reconnect=1
    -chardev socket,id=red1,host={PRIMARY_HOST},port=9004,reconnect=1
"""
_SECONDARY_FILTERS = """
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0
    -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1
    -object filter-rewriter,id=rew0,netdev=hn0,queue=all
"""
_PEER = "direct=on,state-file={name}.state,guest-watch="
_BEHIND = f"""
    -netdev tap,id=hn0,ifname={{name}},{NO_SCRIPTS},vnet_hdr=off
    -netdev stream,id=g0,server=off,addr.type=unix,addr.path={{name}}.guest,reconnect=1
    -device e1000,id=e0,netdev=hn0,guest=g0
"""


@dataclass(frozen=True)
class Arrangement:
    """
    Who does what: the words that the QEMUs get, and each side's ``twistd colo``, where there is one.

    ``netdev`` is QEMU's hn0; {name} stands for the side's. The primary's colo-compare is the last of its words.
    """

    primary: str = ""
    secondary: str = ""
    primary_colo: str | None = None
    secondary_colo: str | None = None
    netdev: str = f"tap,ifname={{name}},{NO_SCRIPTS}"


INSIDE = Arrangement(
    primary=f"""
    {_MIRROR0} {_COMPARE1}
    -chardev socket,id=compare0,path=compare0,server=on,wait=off -chardev socket,id=compare0-0,path=compare0
    -chardev socket,id=compare_out,path=compare_out,server=on,wait=off -chardev socket,id=compare_out0,path=compare_out
    {_FILTERS} -object iothread,id=iothread1 {_COMPARE},iothread=iothread1
    """,
    secondary=_RED + _SECONDARY_FILTERS,
)
"""All inside QEMU, as its document has it."""

OUTSIDE = Arrangement(
    primary=f"""
    {_MIRROR0}
    -chardev socket,id=compare0,path=compare0,reconnect=1 -chardev socket,id=compare_out,path=compare_out,reconnect=1
    {_FILTERS}
    """,
    secondary=f"""
    {_RED} {_SECONDARY_FILTERS}
    -chardev socket,id=mark0,path=mark0,server=on,wait=off
    -object filter-redirector,id=mark0,netdev=hn0,queue=rx,indev=mark0
    """,
    primary_colo=f"""
    {_COMPARE1}
    -chardev socket,id=compare0-0,path=compare0,server=on,wait=off
    -chardev socket,id=compare_out0,path=compare_out,server=on,wait=off
    -chardev socket,id=peer0,host={PRIMARY_HOST},port=9005,server=on,wait=off
    -object colo-qemu,id=qemu0,qmp=unix:{{name}}.control,role=primary
    -object colo-peer,id=cp0,chardev=peer0,role=primary,alone=auto,{_PEER}qemu:qemu0 {_COMPARE},checkpoint=qemu0
    """,
    secondary_colo=f"""
    -chardev socket,id=peer0,host={PRIMARY_HOST},port=9005,reconnect=1
    -chardev socket,id=mark0,path=mark0,reconnect=1
    -object colo-qemu,id=qemu0,qmp=unix:{{name}}.control,role=secondary,marker=mark0
    -object colo-peer,id=cp0,chardev=peer0,role=secondary,takeover=auto,{_PEER}qemu:qemu0
    """,
)
"""
Filters and rewriter inside the QEMUs, the comparer in the primary's ``twistd colo``, the heartbeat in both.

Checkpoints are marked in what the secondary's guest sends: by a redirector more, the last of its filters.
"""

BEHIND = Arrangement(
    primary_colo=f"""
    {_BEHIND} {_MIRROR0} {_COMPARE1}
    -chardev socket,id=peer0,host={PRIMARY_HOST},port=9005,server=on,wait=off
    -chardev pair,id=compare0,peer=compare0-0 -chardev pair,id=compare_out,peer=compare_out0
    {_FILTERS} -object colo-qemu,id=qemu0,qmp=unix:{{name}}.control,role=primary
    -object colo-peer,id=cp0,chardev=peer0,role=primary,alone=auto,{_PEER}netdev:g0 {_COMPARE},checkpoint=qemu0
    """,
    secondary_colo=f"""
    {_BEHIND} {_RED}
    -chardev socket,id=peer0,host={PRIMARY_HOST},port=9005,reconnect=1
    -object filter-drop,id=gate0,netdev=hn0,queue=tx {_SECONDARY_FILTERS}
    -object colo-qemu,id=qemu0,qmp=unix:{{name}}.control,role=secondary
    -object colo-peer,id=cp0,chardev=peer0,role=secondary,takeover=auto,{_PEER}netdev:g0
    """,
    netdev="stream,server=on,addr.type=unix,addr.path={name}.guest",
)
"""The QEMUs are mere guests, each behind a ``twistd colo`` with all filters. QEMU listens: 7.2 never connects again."""


class QEMUPair:
    """A context manager: all is up, the guests are under COLO, and the client knows the guest."""

    primary: GuestQEMU
    secondary: GuestQEMU
    primary_colo: Colo | None = None
    secondary_colo: Colo | None = None

    def __init__(
        self,
        folder: Path,
        files: GuestFiles,
        arrangement: Arrangement,
        *,
        delay: int = SELDOM,
        compare: str = "",
        more_secondary: str = "",
        over_tcp: bool = False,
        own_secrets: bool = False,
    ) -> None:
        """
        @param delay: x-checkpoint-delay, in ms.
        @param compare: more words for the primary's ``twistd colo``; what begins with a comma is colo-compare's.
        @param more_secondary: more words for the secondary's.
        @param over_tcp: the migration goes from host to host over TCP, not by a unix socket.
        @param own_secrets: the guests' sequence numbers and timestamps are unlike from the first connection on.
        """
        self.folder = folder
        self._files = files
        self._arrangement = arrangement
        self._delay = delay
        self._more = {"primary": compare, "secondary": more_secondary}
        self._migration = f"tcp:{SECONDARY_HOST}:9998" if over_tcp else f"unix:{folder}/migration"
        self._kernel_words = "own_secrets" if own_secrets else ""
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count()

    def __enter__(self) -> QEMUPair:
        with contextlib.ExitStack() as stack:
            hosts = stack.enter_context(Hosts())
            self.switch, self.client, primary, secondary = map(hosts.add, ("sw", "c", "p", "s"))
            self._hosts = {"primary": primary, "secondary": secondary}
            hosts.bridge(self.switch, "lan")
            hosts.cable(self.client, "lan", self.switch, "client")
            self.switch.ip("link set client master lan")
            self.client.ip(f"addr add {CLIENT}/24 dev lan")
            # a question that the guest didn't hear, as its link was not up yet, would leave a failed entry
            self.client.ip(f"neigh replace {GUEST} lladdr {GUEST_MAC} dev lan nud permanent")
            hosts.cable(primary, "cross", secondary, "cross")
            primary.ip(f"addr add {PRIMARY_HOST}/24 dev cross")
            secondary.ip(f"addr add {SECONDARY_HOST}/24 dev cross")
            self._stack = stack.pop_all()
        try:
            with self.explaining():
                self._start()
                self._form()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """What all have said is printed if this fails."""
        try:
            yield
        except BaseException:
            for path in (*self.folder.glob("*.log"), *self.folder.glob("*.serial"), *self.folder.glob("*.client")):
                print(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}")
            raise

    # how it is made

    def _start(self) -> None:
        """Who listens first: with QEMU's sockets that have no reconnect, it would be the only order that works."""
        incoming = ["-incoming", self._migration]
        self.primary_colo = self.start_colo("primary")
        self.primary = self._start_qemu("primary", self._arrangement.primary.split())
        self.secondary_colo = self.start_colo("secondary")
        self.secondary = self._start_qemu("secondary", [*self._arrangement.secondary.split(), *incoming])
        for name in self._hosts:
            self.plug_in(name)
        self.primary.wait_ready()

    def start_colo(self, name: str) -> Colo | None:
        """A side's ``twistd colo``, if it has one."""
        words = {"primary": self._arrangement.primary_colo, "secondary": self._arrangement.secondary_colo}[name]
        if words is None:
            return None
        text, log = words.format(name=name).rstrip() + self._more[name], f"{name}-colo{next(self._numbers)}"
        return self._stack.enter_context(Colo(text.split(), self.folder, log, self._hosts[name].name))

    def plug_in(self, name: str) -> None:
        """A side's new TAP, into the switch."""
        self.switch.take(name, self._hosts[name])
        self.switch.ip(f"link set {name} master lan")

    def _start_qemu(self, name: str, arguments: list[str]) -> GuestQEMU:
        netdev, host = self._arrangement.netdev.format(name=name), self._hosts[name]
        qemu = GuestQEMU(name, host, self._files, netdev, arguments, self.folder, self._kernel_words)
        self._stack.enter_context(qemu)
        return qemu

    def _form(self) -> None:
        """The documented steps, with the guest standing still (see shim.c) while its memory is copied."""
        for qemu in (self.secondary, self.primary):
            qemu.allow_colo()
        parameters = {"x-checkpoint-delay": self._delay, "max-bandwidth": 1 << 40}
        self.primary.qmp.execute("migrate-set-parameters", parameters)
        self.primary.qmp.execute("stop", {})
        self.primary.qmp.execute("migrate", {"uri": self._migration})
        for qemu in (self.primary, self.secondary):
            wait_until(lambda: qemu.migration() == "colo", f"COLO in the {qemu.name}: {qemu.migration()}")  # noqa: B023
        self.primary.qmp.wait_for("RESUME")
        for colo in (self.primary_colo, self.secondary_colo):
            if colo is not None and self.secondary_colo is not None:
                wait_until(lambda: state(colo) == "synced", f"{colo.log.name} being synced")  # noqa: B023

    # what it is asked for

    def checkpoint_each(self, delay: int) -> None:
        """Let it be so many ms from one that QEMU makes by itself to the next, from now on."""
        if delay != self._delay:
            self._delay = delay
            self.checkpoint()

    def checkpoint(self) -> Checkpoint:
        """Have one made, and wait until it is."""
        qmp = self.primary.qmp
        before = len(qmp.named("RESUME"))
        asked = time.time()
        qmp.execute("migrate-set-parameters", {"x-checkpoint-delay": self._delay})
        resumed = qmp.wait_for("RESUME", before + 1)
        returned = time.time()
        stopped = qmp.named("STOP")[-1]
        return Checkpoint(asked, when(stopped), when(resumed), returned)

    def checkpoints(self) -> int:
        """How many were made by now, as far as the primary has told."""
        self.primary.qmp.execute("query-status", {})  # events come before its answer
        return len(self.primary.qmp.named("RESUME"))

    def visit(self, kind: str, *numbers: object, timeout: float = 300) -> Visit:
        """Run the client to its end."""
        words = [sys.executable, str(CLIENT_PROGRAM), kind, GUEST, *map(str, numbers)]
        return found(self.client.run(*words, timeout=timeout))

    def visiting(self, kind: str, *numbers: object) -> Process:
        """The same while a test does something else."""
        words = [sys.executable, str(CLIENT_PROGRAM), kind, GUEST, *map(str, numbers)]
        return Process(self.client.words(*words), self.folder / f"{kind}{next(self._numbers)}.client")

    @contextlib.contextmanager
    def sniffing(self) -> Iterator[Process]:
        """Who speaks for the guest; see sniffer.py."""
        words = self.switch.words(sys.executable, str(SNIFFER), GUEST_MAC, *self._hosts)
        with Process(words, self.folder / f"sniffer{next(self._numbers)}.log") as sniffer:
            sniffer.wait_for_output("sniffing")
            yield sniffer


@dataclass(frozen=True)
class Checkpoint:
    """Its moments, by the wall clock: STOP and RESUME are QEMU's own word, ``returned`` is when that was heard."""

    asked: float
    stopped: float
    resumed: float
    returned: float


def found(printed: str) -> Visit:
    """What client.py has found, by what it printed."""
    return Visit(**json.loads(printed.splitlines()[-1]))


def state(colo: Colo) -> str:
    """The replica's, as that side sees it."""
    return str(colo.qmp("query-colo-replica")["state"])


def when(event: dict[str, Any]) -> float:
    """The event's own timestamp, in seconds of the wall clock."""
    stamp = event["timestamp"]
    return float(stamp["seconds"] + stamp["microseconds"] / 1e6)

"""
``guest-watch=``: whether this side's guest lives, as its process, its end of a cable or a command shows.

A guest that was never seen is waited for: only one that was there can be gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from colo_twisted.checkpoint import program
from colo_twisted.countdown import Countdown
from colo_twisted.events import Event, NetdevStreamConnected, NetdevStreamDisconnected
from colo_twisted.failover.processes import Ending, KernelProcesses, Processes
from colo_twisted.interfaces import IHypervisor, IMachine, INetdev
from colo_twisted.netdev.stream import StreamNetdev
from colo_twisted.netdev.tap import Tap
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Command, Identifier, Kind, Text
from colo_twisted.reporting import Reporter

LOOK_SECONDS = 0.1  # between two looks at a pidfile, a process or a netdev
ASK_SECONDS = 1.0  # from the end of one run of the command to the next
ANSWER_SECONDS = 2.0  # what the command may take
MOST_UNANSWERED = 3  # runs that took longer, one after the other, and the guest is gone
NO_PROGRAM = (126, 127)  # a shell's exit statuses for what could not be run: nobody's word
MOST_PIDFILE = 64  # bytes that are read


@dataclass(frozen=True)
class Pidfile:
    """The guest is the process whose number stands in a file."""

    path: str


@dataclass(frozen=True)
class FarEnd:
    """The guest is what is at the other end of a netdev: its peer, or the user of its TAP."""

    netdev: str


@dataclass(frozen=True)
class Asked:
    """The guest is alive while a command exits with 0."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class Driven:
    """The guest is in what a colo-qemu drives: alive while that answers."""

    id: str


Watched = Pidfile | FarEnd | Driven | Asked


class GuestWatched(Kind):
    """pidfile:PATH, netdev:ID, qemu:ID or command:CMD; as a Watched."""

    allowed = "pidfile:PATH, netdev:ID, qemu:ID (of a colo-qemu) or command:CMD"
    _ways: Mapping[str, tuple[Kind, type[Watched]]] = {
        "pidfile": (Text("a path"), Pidfile),
        "netdev": (Identifier(), FarEnd),
        "qemu": (Identifier(), Driven),
        "command": (Command(), Asked),
    }

    def parse(self, text: str) -> Watched:
        way, _, rest = text.partition(":")
        if way not in self._ways:
            raise ValueError
        kind, watched = self._ways[way]
        try:
            return watched(kind.parse(rest))
        except ValueError as error:
            raise ValueError(f"{way}: takes {kind.allowed}" + (f": {error}" if str(error) else "")) from None

    def format(self, value: Watched) -> str:
        for way, (kind, watched) in self._ways.items():
            if isinstance(value, watched):
                (rest,) = vars(value).values()
                return f"{way}:{kind.format(rest)}"
        raise AssertionError(value)


def check(name: str, watched: Watched) -> None:
    """Raise OptionError if this host can't watch that; ``name`` is the property's."""
    if isinstance(watched, Asked):
        program.check(name, watched.command)
    elif isinstance(watched, Pidfile) and os.path.isdir(watched.path):
        raise OptionError(f"property '{name}': {watched.path} is a folder")


class _Way:
    """One way to watch; calls ``seen`` when the guest is there and ``gone`` with the reason when it is no more."""

    def __init__(
        self, machine: IMachine, report: Reporter, seen: Callable[[str], None], gone: Callable[[str], None]
    ) -> None:
        self._machine = machine
        self._report = report
        self._seen = seen
        self._gone = gone
        self._next = Countdown(machine.reactor)

    def start(self) -> None:
        self._look()

    def stop(self) -> None:
        self._next.end()

    def _look(self) -> None:
        raise NotImplementedError


class _ByPidfile(_Way):
    """Finds the process, then waits for its end."""

    def __init__(self, path: str, processes: Processes, *common: Any) -> None:
        super().__init__(*common)
        self._path = path
        self._processes = processes
        self._pid = 0
        self._began: int | None = None  # of the process that is polled, where the kernel has no descriptor for it
        self._ending: Ending | None = None
        self._said = ""
        self._stamp: tuple[int, int] | None = None  # which file it was, and as of when
        self._ended: tuple[int, int] | None = None  # the same of one whose process has ended

    def stop(self) -> None:
        super().stop()
        if self._ending is not None:
            self._ending.close()
        self._ending = self._began = None

    def _look(self) -> None:
        self._next.begin(LOOK_SECONDS, self._look)
        if self._began is None:
            self._find()
        elif self._processes.began(self._pid) != self._began:
            self._end()

    def _find(self) -> None:
        pid = self._read()
        if pid is None:
            return
        began = self._processes.began(pid)
        if began is not None and self._stamp == self._ended:
            self._say(f"{self._path} names process {pid}, as it did when the guest ended: this is another")
            return
        try:
            if began is None:
                raise ProcessLookupError  # a descriptor there may be: of one that nobody has waited for yet
            fd = self._processes.open(pid)
        except ProcessLookupError:
            self._say(f"{self._path} names process {pid}, which is not there")
            return
        self._pid = pid
        if fd is None:
            self._began = began
        else:
            self._next.end()
            self._ending = Ending(fd, self._machine.reactor, self._end)
        self._seen(f"process {pid}")

    def _read(self) -> int | None:
        """The number in the file; None while there is none."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a fifo would make us wait
            try:
                words = os.read(fd, MOST_PIDFILE).split()
                status = os.fstat(fd)
                self._stamp = status.st_ino, status.st_mtime_ns
            finally:
                os.close(fd)
        except OSError as error:
            is_none = isinstance(error, FileNotFoundError)
            self._say(f"there is no {self._path} yet" if is_none else f"{self._path} can't be read: {error.strerror}")
            return None
        pid = int(words[0]) if words and words[0].isdigit() and len(words[0]) <= 10 else 0
        if pid < 2 or pid == os.getpid():
            if words:  # else it is just being written
                self._say(f"{self._path} names no process that could be a guest")
            return None
        return pid

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._report.info(f"waits for the guest: {text}", kind="waiting for the guest")

    def _end(self) -> None:
        self._ended = self._stamp
        self._gone(f"its process {self._pid} has ended")


class _ByNetdev(_Way):
    """Looks at a netdev now and then, and when it says that its far end has come or gone."""

    def __init__(self, id: str, netdevs: Mapping[str, INetdev], *common: Any) -> None:
        super().__init__(*common)
        self._id = id
        self._netdevs = netdevs
        self._left: int | None = None  # how often a far end had left when the guest was seen

    def start(self) -> None:
        self._left = None
        self._machine.events.subscribe(self._happened)
        super().start()

    def stop(self) -> None:
        super().stop()
        self._machine.events.unsubscribe(self._happened)

    def _happened(self, event: Event) -> None:
        if isinstance(event, (NetdevStreamConnected, NetdevStreamDisconnected)) and event.netdev_id == self._id:
            self._look()

    def _look(self) -> None:
        self._next.begin(LOOK_SECONDS, self._look)
        is_there, left, how = self._far_end(self._netdevs.get(self._id))
        if self._left is not None:
            if not is_there or left != self._left:  # another one may have come in between
                self._gone(how)
        elif is_there:
            self._left = left
            self._seen(f"netdev '{self._id}'")

    def _far_end(self, netdev: INetdev | None) -> tuple[bool, int, str]:
        """Whether somebody is there, how often somebody has left, and in which words to say that nobody is."""
        if isinstance(netdev, Tap):
            return netdev.fileno() >= 0 and not netdev.gone, 0, f"TAP {netdev.name} was deleted"
        if isinstance(netdev, StreamNetdev):
            counters = netdev.counters
            there = counters.connects > counters.disconnects
            return there, counters.disconnects, f"the far end of netdev '{self._id}' has disconnected"
        return False, 0, f"netdev '{self._id}' was removed"


class _ByQEMU(_Way):
    """Looks whether it answers, now and then and when it says that something has changed."""

    def __init__(self, id: str, *common: Any) -> None:
        super().__init__(*common)
        self._id = id
        self._watched: IHypervisor | None = None
        self._was_there = False

    def start(self) -> None:
        self._was_there = False
        super().start()

    def stop(self) -> None:
        super().stop()
        self._watch(None)

    def _watch(self, made: IHypervisor | None) -> None:
        if made is self._watched:
            return
        if self._watched is not None:
            self._watched.answer_watchers.remove(self._heard)
        self._watched = made
        if made is not None:
            made.answer_watchers.append(self._heard)

    def _heard(self, _: bool) -> None:
        self._look()

    def _look(self) -> None:
        self._next.begin(LOOK_SECONDS, self._look)
        made = self._machine.objects.get(self._id)
        self._watch(made if IHypervisor.providedBy(made) else None)
        if self._watched is not None and self._watched.answers:
            self._was_there = True
            self._seen(f"QEMU answers colo-qemu '{self._id}'")
        elif self._was_there:
            self._gone(f"QEMU does not answer colo-qemu '{self._id}'")


class _ByCommand(_Way):
    """Asks a command again and again."""

    def __init__(self, command: tuple[str, ...], *common: Any) -> None:
        super().__init__(*common)
        self._program = program.Program(self._machine.reactor, command, ANSWER_SECONDS, frozenset((0,)), self._report)
        self._unanswered = 0
        self._stopped = False

    def start(self) -> None:
        self._unanswered = 0
        self._stopped = False
        super().start()

    def stop(self) -> None:
        self._stopped = True
        super().stop()
        self._program.cancel()

    def _look(self) -> None:
        began = self._machine.reactor.seconds()
        self._program.run({}).addCallback(self._answered, began)

    def _answered(self, status: int | None, began: float) -> None:
        if self._stopped:
            return
        self._next.begin(ASK_SECONDS, self._look)
        why = self._program.why_not or f"exit status {status}"
        took_too_long = status is None and round(self._machine.reactor.seconds() - began - ANSWER_SECONDS, 3) >= 0
        self._unanswered = self._unanswered + 1 if took_too_long else 0
        if status == 0:
            self._seen("the command says so")
        elif status is not None and status not in NO_PROGRAM:
            self._gone(f"the command says so: {why}")
        elif self._unanswered >= MOST_UNANSWERED:
            self._gone(f"the command has not answered {self._unanswered} times: {why}")
        else:
            self._report.warn(f"the command does not say whether the guest lives: {why}", kind="no answer")


class GuestWatch:
    """
    Says once that the guest is gone.

    @ivar present: whether it is there; False before it was seen.
    """

    def __init__(
        self,
        watched: Watched,
        machine: IMachine,
        netdevs: Mapping[str, INetdev],
        gone: Callable[[str], None],
        report: Reporter,
        processes: Processes | None = None,
    ) -> None:
        """
        @param netdevs: all there are, those of guests too.
        @param gone: called with the reason, in words. The watch has ended then; ``start`` begins it anew.
        """
        self.present = False
        self._gone = gone
        self._report = report
        self._started = False
        common = (machine, report, self._is_there, self._is_gone)
        self._way: _Way
        if isinstance(watched, Pidfile):
            self._way = _ByPidfile(watched.path, processes or KernelProcesses(), *common)
        elif isinstance(watched, FarEnd):
            self._way = _ByNetdev(watched.netdev, netdevs, *common)
        elif isinstance(watched, Driven):
            self._way = _ByQEMU(watched.id, *common)
        else:
            self._way = _ByCommand(watched.command, *common)

    def start(self) -> None:
        """Begin to watch; harmless when it is being watched."""
        if not self._started:
            self._started = True
            self._way.start()

    def stop(self) -> None:
        """End that; nothing is said any more. Harmless when it isn't being watched."""
        if self._started:
            self._started = self.present = False
            self._way.stop()

    def _is_there(self, by: str) -> None:
        if not self.present:
            self.present = True
            self._report.info(f"the guest is there: {by}", kind="guest")

    def _is_gone(self, why: str) -> None:
        if self.present:
            self.stop()
            self._report.warn(f"the guest is gone: {why}", kind="guest")
            self._gone(why)

"""
What both sides' QEMUs have in common: whether the guest is under COLO, and what its pauses are for.

A checkpoint is a STOP and a RESUME of both QEMUs, the secondary's first each time. An operator's stop and cont look
the same; QEMU's state (query-status) is 'colo' in one and 'paused' in the other.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.python.failure import Failure

from colo_twisted.countdown import Countdown
from colo_twisted.events import ChardevConnected, ChardevDisconnected, Event
from colo_twisted.interfaces import IMachine
from colo_twisted.qemu.filters import Filters
from colo_twisted.qemu.monitor import Monitor, MonitorCounters, NoAnswer, QEMUError
from colo_twisted.qemu.properties import ColoQEMUProperties
from colo_twisted.reporting import Reporter

LOOK_SECONDS = 1.0  # from one look at COLO's state to the next: it has no event for its beginning
NOT_CONNECTED = "its QMP socket is not connected"
_MS = 1000


class Pause(enum.Enum):
    """Why the guest stands still."""

    NONE = "it runs"
    UNTOLD = "QEMU has not said yet"
    CHECKPOINT = "a checkpoint"
    OTHER = "somebody has stopped it"


@dataclass
class ColoQEMUCounters(MonitorCounters):
    """QEMU's QMP socket, and checkpoints as its events show them."""

    checkpoints: int = 0  # made, as far as its events show
    asked: int = 0  # for checkpoints, repeated requests too
    unasked: int = 0  # checkpoints that nobody here had asked for
    missed: int = 0  # whose STOP was heard together with RESUME: they don't count
    other_pauses: int = 0  # an operator's
    colo_exits: int = 0
    lost_heartbeats: int = 0  # x-colo-lost-heartbeat, said to QEMU
    healed: int = 0  # filter-redirectors of QEMU's that had gone deaf


class ColoQEMU:
    """
    One QEMU; subclasses say what follows from its guest's pauses.

    @ivar connected: whether its guest is under COLO and runs, or stands still for a checkpoint.
    @ivar why_not: why it is not, in words; None if it is.
    @ivar answers: whether QEMU takes commands.
    @ivar has_exited: COLO has ended, though QEMU may still say that it is in it.
    @ivar watchers: each is called when ``connected`` or ``why_not`` has changed; answer_watchers: when ``answers`` has.
    """

    def __init__(self, properties: ColoQEMUProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.role = properties.role
        self.counters: ColoQEMUCounters = ColoQEMUCounters()
        self.watchers: list[Callable[[bool], None]] = []
        self.answer_watchers: list[Callable[[bool], None]] = []
        self.why_not: str | None = NOT_CONNECTED
        self.pause = Pause.NONE
        self.report = Reporter(f"colo-qemu {self.id}")
        self.monitor = Monitor(machine.reactor, properties.qmp, properties.timeout / _MS, self.counters, self.report)
        self.monitor.changed = self._connection_changed
        self.monitor.told = self._told
        self.machine = machine
        self._filters = Filters(self.ask, self.report, self._healed)
        self.look_again = Countdown(machine.reactor)
        self.has_exited = False
        self._goes_on = False  # QEMU is to be told that the other side is lost
        self._heard_in_time = False  # the STOP of the pause, before its RESUME

    @property
    def connected(self) -> bool:
        return self.why_not is None

    @property
    def answers(self) -> bool:
        return self.monitor.connected

    # life

    def open(self) -> None:
        """Nothing needs privileges."""

    def start(self) -> None:
        self.machine.events.subscribe(self._happened)
        self.monitor.start()

    def stop(self) -> None:
        self.machine.events.unsubscribe(self._happened)
        self.look_again.end()
        self.monitor.stop()

    def close(self) -> None:
        """Its socket is closed by then."""

    def change(self, properties: ColoQEMUProperties) -> None:
        """The time that an answer may take."""
        self.monitor.change_timeout(properties.timeout / _MS)

    # whether it is under COLO

    def _connection_changed(self, connected: bool) -> None:
        if connected:
            self.unheard()
            self.has_exited = False
            self._look()
        else:
            self.look_again.end()
            self.closed()
        for watcher in list(self.answer_watchers):
            watcher(connected)

    def closed(self) -> None:
        """QEMU has closed its QMP socket, and may not be heard for a while."""
        self.unheard()

    def unheard(self) -> None:
        """What the guest does meanwhile nobody hears, or has heard. Harmless when that was said."""
        self._leave(NOT_CONNECTED)

    def _happened(self, event: Event) -> None:
        """A chardev here that has come or gone may lead to one of QEMU's."""
        if isinstance(event, (ChardevConnected, ChardevDisconnected)) and self.monitor.connected:
            self._filters.look()

    def _healed(self) -> None:
        self.counters.healed += 1

    def _look(self) -> None:
        self.look_again.begin(LOOK_SECONDS, self._look)
        self._filters.look()
        self.ask("query-colo-status").addCallbacks(self._colo_status, self._no_status)

    def _no_status(self, failure: Failure) -> None:
        if failure.check(QEMUError):
            self._leave(f"it knows nothing of COLO: {failure.getErrorMessage()}")

    def _colo_status(self, status: Mapping[str, Any]) -> None:
        mode = status.get("mode")
        if mode != self.role:
            self.has_exited = self._goes_on = False
            other = f" but this is role={self.role}" if mode != "none" else ""
            self._leave(f"it is not under COLO (query-colo-status says mode {mode}{other})")
        elif self._goes_on:
            self._lose_heartbeat()
        elif not (self.connected or self.has_exited):
            self.try_to_ask("query-status", self._entering)

    def _entering(self, status: Mapping[str, Any]) -> None:
        if status.get("status") != "running":
            self._leave(f"its guest does not run (query-status says {status.get('status')})")
        elif not self.connected:
            self.why_not, self.pause = None, Pause.NONE
            self.report.info("its guest is under COLO")
            self._tell()
            self.entered()

    def _leave(self, why: str) -> None:
        if why == self.why_not:
            return
        was_connected, self.why_not = self.connected, why
        self.pause = Pause.NONE
        if was_connected:
            self.report.warn(f"no checkpoint can be made: {why}", kind="left")
            self.left()
        self._tell()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher(self.connected)

    def ask(self, command: str, **arguments: Any) -> Any:
        """As Monitor.execute."""
        return self.monitor.execute(command, **arguments)

    def try_to_ask(self, command: str, told: Callable[[Any], None] = lambda _: None, **arguments: Any) -> None:
        """The same; ``told`` is called with the answer, and a refusal, or that there is none, changes nothing."""
        self.ask(command, **arguments).addCallbacks(told, lambda failure: failure.trap(QEMUError, NoAnswer))

    # its events

    def _told(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "COLO_EXIT":
            self._exited(str(data.get("reason")))
        elif event == "RESUME" and not self.connected:
            self._look()  # COLO may just have begun
        elif self.connected and event == "STOP":
            self._stopped()
        elif self.connected and event == "RESUME":
            self._resumed()

    def _exited(self, reason: str) -> None:
        self.counters.colo_exits += 1
        self.has_exited = True
        self.pause = Pause.NONE
        if self.connected:
            self.kept()
        self._leave(f"COLO has ended there (COLO_EXIT: {reason})")

    def _stopped(self) -> None:
        self.pause = Pause.UNTOLD
        self.halted()
        self.monitor.drain()
        self._heard_in_time = not self.monitor.has_read("RESUME")
        self.try_to_ask("query-status", self._paused)

    def _paused(self, status: Mapping[str, Any]) -> None:
        if self.pause is not Pause.UNTOLD or status.get("running"):
            return
        if status.get("status") == "colo":
            self.pause = Pause.CHECKPOINT
        else:
            self.pause = Pause.OTHER
            self.counters.other_pauses += 1
            self.kept()

    @property
    def may_change(self) -> bool:
        """Whether the guest stands still, and for a checkpoint as far as QEMU has said."""
        return self.pause in (Pause.UNTOLD, Pause.CHECKPOINT)

    def _resumed(self) -> None:
        has_changed, is_sure = self.may_change, self.pause is Pause.CHECKPOINT
        self.pause = Pause.NONE
        if has_changed:
            self.counters.missed += not self._heard_in_time
            self.turned(self._heard_in_time, is_sure)

    # what subclasses make of them

    def entered(self) -> None:
        """The guest is under COLO, and runs."""

    def left(self) -> None:
        """It is so no more; unless COLO has ended in words (``has_exited``), nobody hears what becomes of it."""

    def halted(self) -> None:
        """The guest stands still, for a checkpoint or by somebody's wish: what it sent before can be read now."""

    def kept(self) -> None:
        """The guest stood still, and no checkpoint was made of it; or COLO ends, and none will be."""

    def turned(self, in_time: bool, is_sure: bool) -> None:
        """
        The guest runs again, after a checkpoint as it seems.

        @param in_time: whether ``halted`` was called before it ran again.
        @param is_sure: whether QEMU has said that a checkpoint was what it stood still for.
        """

    # this side goes on without the other

    def go_on(self) -> None:
        """As the interface says. What QEMU does then (STOP, COLO_EXIT, RESUME) is no checkpoint."""
        self._goes_on = True
        if self.pause is Pause.NONE:
            self.has_exited = True
            self._leave("this side goes on without the other")
        if self.monitor.connected:
            self._lose_heartbeat()

    def _lose_heartbeat(self) -> None:
        self.counters.lost_heartbeats += 1
        self.ask("x-colo-lost-heartbeat").addCallbacks(self._heartbeat_lost, self._heartbeat_refused)

    def _heartbeat_lost(self, _: Any) -> None:
        self._goes_on = False
        self.has_exited = True  # COLO_EXIT may come later
        self.report.info("QEMU was told that the other side is lost (x-colo-lost-heartbeat)")

    def _heartbeat_refused(self, failure: Failure) -> None:
        if failure.check(QEMUError):
            self._goes_on = False
            self.report.info(f"QEMU says to x-colo-lost-heartbeat: {failure.getErrorMessage()}")
        else:
            failure.trap(NoAnswer)  # it is told when it answers again

"""The secondary's QEMU: what it does with its guest is told to the colo-peer, and it is told of a take-over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zope.interface import implementer

from colo_twisted.countdown import Countdown
from colo_twisted.interfaces import IChangeable, IColoPeer, ICopy, IHypervisor, IMachine
from colo_twisted.qemu.guest import ColoQEMU
from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.qemu.properties import ColoQEMUProperties

BEGIN_SECONDS = 1.0  # for the primary's word of a checkpoint that QEMU made by itself
SETTLE_SECONDS = 0.5  # for a checkpoint to end by itself, once the primary is lost
KNOW_SECONDS = 2.0  # and then for QEMU to give it up


@implementer(ICopy, IHypervisor, IChangeable)
class SecondaryQEMU(ColoQEMU):
    """
    Between STOP and RESUME its guest becomes another: what it sent before STOP is the old one's.

    Where COLO ends in between, the guest stays what it was: QEMU loads what it has received whole, or nothing, and
    says RESUME before COLO_EXIT in the one case and after it in the other.
    """

    def __init__(self, properties: ColoQEMUProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self._waiting = Countdown(machine.reactor)

    def stop(self) -> None:
        self._waiting.end()
        super().stop()

    @property
    def tells(self) -> bool:
        """As the interface says."""
        return self.connected

    def _replicas(self) -> Iterator[Any]:
        return (peer.replica for peer in self.machine.providers(IColoPeer) if peer.role == "secondary")

    def _drain(self) -> None:
        for _, _, chain in self.machine.guests():
            chain.drain()

    # what its guest does

    def halted(self) -> None:
        self._drain()
        for replica in self._replicas():
            replica.guest_stopped()

    def turned(self, in_time: bool, is_sure: bool) -> None:
        self.counters.checkpoints += 1
        if not in_time:
            self._drain()  # nobody knows which of it is the old guest's
        self._waiting.begin(BEGIN_SECONDS, self._nobody_asked)
        for replica in self._replicas():
            replica.guest_turned()

    def _nobody_asked(self) -> None:
        for replica in self._replicas():
            replica.leave_unasked()

    def kept(self) -> None:
        self._waiting.end()
        for replica in self._replicas():
            replica.guest_kept()

    def left(self, was_changing: bool) -> None:
        if was_changing:
            self._unknown()

    def _unknown(self) -> None:
        self._waiting.end()
        for replica in self._replicas():
            replica.guest_unknown("its QEMU can't be asked what it has made of it")

    def hear(self) -> None:
        """As the interface says."""
        self.monitor.drain()

    def _lose_heartbeat(self) -> None:
        """First: a primary's QEMU that lives unheard would go on writing to this guest's disk, where it has one."""
        self.ask("nbd-server-stop").addErrback(lambda failure: failure.trap(QEMUError, NoAnswer))
        super()._lose_heartbeat()

    def settle(self) -> None:
        """As the interface says."""
        self._waiting.begin(SETTLE_SECONDS, self._end_it)

    def _end_it(self) -> None:
        self._waiting.begin(KNOW_SECONDS, self._unknown)
        self.go_on()

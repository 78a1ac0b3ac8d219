"""The secondary's QEMU: what it does with its guest is told to the colo-peer, and it is told of a take-over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zope.interface import implementer

from colo_twisted.countdown import Countdown
from colo_twisted.failover.phases import Phase
from colo_twisted.interfaces import IChangeable, IColoPeer, ICopy, IHypervisor, IMachine, IRetiring
from colo_twisted.qemu.guest import ColoQEMU
from colo_twisted.qemu.properties import ColoQEMUProperties

BEGIN_SECONDS = 1.0  # for the primary's word of a checkpoint that QEMU made by itself
IMMINENT_SECONDS = 0.1  # for one to begin that was asked for, once the primary is lost
SETTLE_SECONDS = 0.5  # for one to end by itself then
KNOW_SECONDS = 2.0  # and then for QEMU to give it up, and say so


@implementer(ICopy, IHypervisor, IChangeable, IRetiring)
class SecondaryQEMU(ColoQEMU):
    """
    Between STOP and RESUME its guest becomes another: what it sent before STOP is the old one's.

    Where COLO ends in between, the guest stays what it was: QEMU loads what it has received whole, or nothing, and
    says RESUME before COLO_EXIT in the one case and after it in the other.
    """

    def __init__(self, properties: ColoQEMUProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self._waiting = Countdown(machine.reactor)
        self._is_sure = True  # that the last pause was for a checkpoint

    def retire(self) -> None:
        """What becomes of the guest is not heard from now on."""
        self._unknown("it was removed")

    def stop(self) -> None:
        self._waiting.end()
        super().stop()

    @property
    def tells(self) -> bool:
        """As the interface says; once COLO has ended there is nothing more to be said."""
        return self.connected or (self.has_exited and self.monitor.connected)

    def _replicas(self) -> Iterator[Any]:
        return (peer.replica for peer in self.machine.providers(IColoPeer) if peer.role == "secondary")

    def _drain(self) -> None:
        for _, _, chain in self.machine.guests():
            chain.drain()

    # what its guest does

    def entered(self) -> None:
        """What was missed, if anything, the primary is about to speak of."""
        self._waiting.begin(BEGIN_SECONDS, self._nobody_asked)

    def halted(self) -> None:
        for replica in self._replicas():
            replica.guest_stopped()
        self._drain()  # behind that: it may run again by now, and what is read be the new guest's

    def turned(self, in_time: bool, is_sure: bool) -> None:
        self.counters.checkpoints += 1
        self._is_sure = is_sure
        if not in_time:
            self._drain()  # nobody knows which of it is the old guest's
        self._waiting.begin(BEGIN_SECONDS, self._nobody_asked)
        for replica in self._replicas():
            replica.guest_turned()

    def _nobody_asked(self) -> None:
        for replica in self._replicas():
            replica.leave_unasked(self._is_sure)
            if self.connected:
                replica.guest_known()

    def kept(self) -> None:
        self._waiting.begin(BEGIN_SECONDS, self._nobody_asked)  # it may be after one that was made
        for replica in self._replicas():
            replica.guest_kept()

    def left(self) -> None:
        if not self.has_exited:
            self._unknown()

    def _unknown(self, why: str = "its QEMU can't be asked what it has made of it") -> None:
        for replica in self._replicas():
            replica.leave_unasked(self._is_sure)
            replica.guest_unknown(why)

    def hear(self) -> None:
        """As the interface says."""
        self.monitor.drain()

    # the primary is lost

    def _lose_heartbeat(self) -> None:
        """First: a primary's QEMU that lives unheard would go on writing to this guest's disk, where it has one."""
        self.try_to_ask("nbd-server-stop")
        super()._lose_heartbeat()

    def settle(self) -> None:
        """As the interface says."""
        if not self.connected:
            self._not_begun()
        elif self.may_change:
            self._waiting.begin(SETTLE_SECONDS, self._end_it)
        else:
            self._waiting.begin(IMMINENT_SECONDS, self._not_begun)

    def _not_begun(self) -> None:
        """Unless it has, there is none to wait for."""
        if self.may_change:
            self.settle()
            return
        for replica in self._asking():
            replica.guest_kept()

    def _end_it(self) -> None:
        if self._asking():
            self._waiting.begin(KNOW_SECONDS, self._unknown)
            self.go_on()

    def _asking(self) -> list[Any]:
        """Those that wait for its word; not any more where the primary is back."""
        return [replica for replica in self._replicas() if replica.phase is Phase.ASKING]

"""A secondary's QEMU whose filters and rewriter are its own: only a marker and the take-over's steps come from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.interfaces import FrontEnd, ICheckpointed, IMachine
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.sequence import Offsets
from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.qemu.properties import ColoQEMUProperties
from colo_twisted.qemu.secondary import SecondaryQEMU


@implementer(ICheckpointed)
class QEMUWithFilters(SecondaryQEMU):
    """
    Its guest's traffic can't be stopped from here, and need not be: its own rewriter hears of checkpoints in QEMU.

    The marker goes in by a filter-redirector of QEMU's and out behind all that the guest has sent. While the guest
    stands still nothing else can come in between: what the comparer hears behind it is the new guest's. A connection
    that is unprotected can't be reset by it.
    """

    def __init__(self, properties: ColoQEMUProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        assert properties.marker is not None
        self._marked: bytes | None = None
        self._taking_over = False
        self._chardev = machine.chardev(properties.marker)
        self._chardev.attach(FrontEnd(f"colo-qemu '{self.id}'", False, None, connection_changed=lambda connected: None))

    def halted(self) -> None:
        super().halted()
        for replica in self._replicas():
            if (marker := replica.awaited_marker) is not None:
                self._mark(marker)

    def _mark(self, marker: bytes) -> None:
        self._marked = marker
        self._chardev.write(Batch.from_packets([marker]))

    # as a part of checkpoints and protection

    def begin_checkpoint(self) -> None:
        """See above."""

    def guest_turned(self) -> None:
        """What it sent before stands before the marker."""

    def end_checkpoint(self, offsets: Mapping[bytes, Offsets], marker: bytes | None) -> None:
        if marker is not None and marker != self._marked:  # QEMU began before the primary's word came
            self._mark(marker)

    def abort_checkpoint(self, unchanged: bool) -> None:
        """The guest hears its clients all the same; nothing of it leaves but to the comparer."""

    def offsets(self) -> Mapping[bytes, Offsets]:
        return {}

    def unprotect(self, keys: Sequence[bytes] | None) -> None:
        """QEMU's rewriter has no way to reset one."""

    def protect_new(self) -> None:
        """QEMU's rewriter follows all."""

    def unprotected(self) -> list[bytes]:
        return []

    def fail_over(self) -> None:
        """Take its filters away, now or when it answers."""
        self._taking_over = True
        if self.monitor.connected:
            self._filters.remove().addCallbacks(self._removed, self._not_removed)

    def _removed(self, _: None) -> None:
        self._taking_over = False
        self.report.info("QEMU's filters are removed: its guest speaks to the network")

    def _not_removed(self, failure: Failure) -> None:
        if failure.check(NoAnswer) is None:
            failure.trap(QEMUError)
            self._taking_over = False
            self.report.warn(f"QEMU's filters are not removed: {failure.getErrorMessage()}")

    def _connection_changed(self, connected: bool) -> None:
        super()._connection_changed(connected)
        if connected and self._taking_over:
            self.fail_over()

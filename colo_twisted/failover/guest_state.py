"""What the secondary keeps of its guest over a restart: which checkpoint it saw last, and whether it is invalid."""

from __future__ import annotations

from colo_twisted.failover.phases import Phase, ReplicaCounters
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.reporting import Reporter

REMEDY = "it must not take over before the next checkpoint: have one made, or start it anew from the primary's state"


class GuestState:
    """
    Each change is on the disk before it takes effect.

    @ivar number: of the last checkpoint that began by the primary's word, or 0.
    @ivar phase: where that stands; or the guest's QEMU is making one by itself.
    @ivar invalid: why the guest may not take over, or None.
    """

    def __init__(self, file: StateFile, counters: ReplicaCounters, report: Reporter) -> None:
        self.number = 0
        self.phase = Phase.NONE
        self.invalid: str | None = None
        self._before = Phase.NONE  # UNASKED
        self._file = file
        self._counters = counters
        self._report = report

    @property
    def kept_phase(self) -> Phase:
        """Where the checkpoint of the current number stands: without the one that the guest's QEMU makes by itself."""
        return self._before if self.phase is Phase.UNASKED else self.phase

    @property
    def is_checkpointing(self) -> bool:
        """Whether the guest stands still for a checkpoint."""
        return self.phase in (Phase.UNASKED, Phase.BEGUN, Phase.ASKING)

    def restore(self) -> None:
        """Go on from what the state file has said. Raises StateError: that is of another version."""
        values = self._file.values
        try:
            self.number = int(values.get("checkpoint", 0))
            self.phase = Phase(values.get("phase", Phase.NONE.value))
        except (TypeError, ValueError, OverflowError):
            raise StateError(f"{self._file.path} is no state file of this version: move it away") from None
        invalid = values.get("invalid")
        if self.phase in (Phase.BEGUN, Phase.ASKING):
            invalid = f"this process ended between BEGIN and DONE of checkpoint {self.number}"
            self.phase = Phase.ABORTED
        if invalid is not None:
            self._become_invalid(str(invalid))

    def _keep(self, number: int, phase: Phase, invalid: str | None) -> bool:
        """Take a new state, once it is on the disk; False if it can't be."""
        try:
            self._file.keep({"checkpoint": number, "phase": phase.value, "invalid": invalid})
        except StateError as error:
            self._counters.not_kept += 1
            self._report.warn(f"not answered: {error}", kind="state")
            return False
        self.number, self.phase = number, phase
        if invalid is None:
            self.invalid = None
        else:
            self._become_invalid(invalid)
        return True

    def _become_invalid(self, why: str) -> None:
        if self.invalid is not None:
            return
        self.invalid = why
        self._counters.invalidated += 1
        self._report.warn(f"the guest is invalid: {why}; {REMEDY}", kind="invalid")

    def _leave_for_unasked(self) -> None:
        """The guest's QEMU makes one by itself."""
        self._before, self.phase = self.phase, Phase.UNASKED

    def _is_under_way(self, number: int) -> bool:
        if number == self.number and self.phase is Phase.BEGUN:
            return True
        self._counters.ignored_numbers += 1
        self._report.warn(f"ignored a message of checkpoint {number}: that is not under way", kind="number")
        return False

    def _say(self, text: str) -> None:
        self._report.info(text, kind="checkpoint")

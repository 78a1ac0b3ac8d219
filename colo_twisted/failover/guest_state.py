"""What the secondary keeps of its guest over a restart: which checkpoint it saw last, and whether it is invalid."""

from __future__ import annotations

from colo_twisted.failover.phases import Phase, ReplicaCounters
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.reporting import Reporter

_REMEDY = "it must not take over before the next checkpoint: have one made, or start it anew from the primary's state"


class GuestState:
    """
    Each change is on the disk before it takes effect.

    @ivar number: of the last checkpoint that began by the primary's word, or 0.
    @ivar phase: where that stands; or the guest's QEMU is making one by itself.
    @ivar invalid: why the guest may not take over, or None.
    @ivar followed: whether the primary has said that new connections are protected.
    """

    def __init__(self, file: StateFile, counters: ReplicaCounters, report: Reporter) -> None:
        self.number = 0
        self.phase = Phase.NONE
        self.invalid: str | None = None
        self.followed = False
        self._before = Phase.NONE  # UNASKED
        self._asking = ""  # ASKING: for what, and whom
        self._file = file
        self._counters = counters
        self._report = report

    @property
    def kept_phase(self) -> Phase:
        """Where the checkpoint of the current number stands: without the one that the guest's QEMU makes by itself."""
        return self._before if self.phase is Phase.UNASKED else self.phase

    @property
    def _which(self) -> str:
        return "a checkpoint of its QEMU's own" if self.phase is Phase.UNASKED else f"checkpoint {self.number}"

    @property
    def is_checkpointing(self) -> bool:
        """Whether the guest stands still for a checkpoint."""
        return self.phase in (Phase.UNASKED, Phase.BEGUN, Phase.ASKING)

    def condition(self, connected: bool) -> tuple[str, str]:
        """The state as an operator reads it, and its reason; ``connected``: whether the primary is there."""
        if self.phase is Phase.ASKING:
            return "checkpointing", self._asking
        if self.phase is Phase.UNASKED:
            return "checkpointing", "its QEMU makes one by itself"
        if self.phase is Phase.BEGUN:
            return "checkpointing", f"checkpoint {self.number}"
        if self.invalid is not None:
            return "joining", f"the guest is invalid: {self.invalid}"
        if not connected:
            return "joining", "the primary is not there"
        return ("synced", "") if self.followed else ("joining", "the primary does not protect new connections yet")

    @property
    def why_not(self) -> str | None:
        """Why the guest can't take over now and what to do, in one line, or None."""
        if self.is_checkpointing:
            return (
                f"{self._which} is under way: wait for its end; if the primary is dead, until its connection is closed"
            )
        if self.invalid is not None:
            return f"the guest is invalid: {self.invalid}; {_REMEDY}"
        return None

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
        self._report.warn(f"the guest is invalid: {why}; {_REMEDY}", kind="invalid")

    def _leave_for_unasked(self) -> None:
        """The guest's QEMU makes one by itself."""
        self._before, self.phase = self.phase, Phase.UNASKED

    def _ask(self, whom: str) -> None:
        """The primary is lost in the middle of a checkpoint."""
        self._asking = f"the primary was lost during {self._which}: asking {whom}"
        self.phase = Phase.ASKING
        self._say(self._asking)

    def _is_under_way(self, number: int) -> bool:
        if number == self.number and self.phase is Phase.BEGUN:
            return True
        self._counters.ignored_numbers += 1
        self._report.warn(f"ignored a message of checkpoint {number}: that is not under way", kind="number")
        return False

    def _say(self, text: str) -> None:
        self._report.info(text, kind="checkpoint")

"""The secondary's part in checkpoints: what it does at each message of the primary's, and when that is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from colo_twisted.checkpoint.command import NUMBER_VARIABLE
from colo_twisted.checkpoint.program import Program
from colo_twisted.failover.phases import Phase, ReplicaCounters, Turn
from colo_twisted.failover.properties import NEW_STATE, OLD_STATE
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.interfaces import ICopy
from colo_twisted.packets.marker import marker_packet
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter

_REMEDY = "it must not take over before the next checkpoint: have one made, or start it anew from the primary's state"


class Replica:
    """
    The state of the secondary's guest.

    Each method that stands for a message returns whether that is to be answered: it has been acted
    upon, now or when it came before.

    @ivar invalid: why the guest may not take over, or None.
    @ivar followed: whether the primary has said that new connections are protected.
    """

    def __init__(
        self,
        state: StateFile,
        parts: Callable[[], list[Any]],
        asks: Program | None,
        copy: Callable[[], ICopy | None],
        counters: ReplicaCounters,
        report: Reporter,
        changed: Callable[[], None],
    ) -> None:
        """
        @param parts: gives what takes part in checkpoints: providers of ICheckpointed.
        @param asks: the program that says which state the guest is in, once the primary is lost.
        @param copy: gives what says it of itself, if anything does.
        @param changed: called when its answer has changed something.
        """
        self.number = 0
        self.phase = Phase.NONE
        self.invalid: str | None = None
        self.followed = False
        self.turn = Turn.OLD
        self._before = Phase.NONE  # UNASKED
        self._copy = copy
        self._nonce = b""
        self._state = state
        self._parts = parts
        self._asks = asks
        self._counters = counters
        self._report = report
        self._changed = changed

    def restore(self) -> None:
        """Go on from what the state file has said. Raises StateError: that is of another version."""
        values = self._state.values
        try:
            self.number = int(values.get("checkpoint", 0))
            self.phase = Phase(values.get("phase", Phase.NONE.value))
        except (TypeError, ValueError, OverflowError):
            raise StateError(f"{self._state.path} is no state file of this version: move it away") from None
        invalid = values.get("invalid")
        if self.phase in (Phase.BEGUN, Phase.ASKING):
            invalid = f"this process ended between BEGIN and DONE of checkpoint {self.number}"
            self.phase = Phase.ABORTED
        if invalid is not None:
            self._become_invalid(str(invalid))

    def condition(self, connected: bool) -> tuple[str, str]:
        """The state as an operator reads it, and its reason; ``connected``: whether the primary is there."""
        if self.phase is Phase.ASKING:
            asked = "its QEMU" if self._asks is None else "checkpoint-state"
            return "checkpointing", f"the primary was lost during checkpoint {self.number}: asking {asked}"
        if self.phase is Phase.UNASKED:
            return "checkpointing", "its QEMU makes one by itself"
        if self.phase is Phase.BEGUN:
            return "checkpointing", f"checkpoint {self.number}"
        if self.invalid is not None:
            return "joining", f"the guest is invalid: {self.invalid}"
        if not connected:
            return "joining", "the primary is not there"
        return ("synced", "") if self.followed else ("joining", "the primary does not protect new connections yet")

    # the primary's messages

    def begin(self, number: int, nonce: bytes) -> bool:
        """Stop the guest's traffic; not answered where there is none: no marker would end the checkpoint."""
        if not self.has_parts:
            return False
        if self.phase is Phase.BEGUN and number == self.number:
            return True
        invalid = self.invalid
        was_unasked = self.phase is Phase.UNASKED
        if self.is_checkpointing and not was_unasked:
            invalid = f"checkpoint {number} began before the end of checkpoint {self.number} was known"
        if not self._keep(number, Phase.BEGUN, invalid):
            return False
        if self._asks is not None:
            self._asks.cancel()
        self._nonce = nonce
        if not was_unasked and self.turn is not Turn.CHANGING:
            self.turn = Turn.OLD
        self._counters.checkpoints_begun += 1
        self._say(f"checkpoint {number} began: the guest's traffic is stopped")
        for part in self._parts():
            part.begin_checkpoint()
        return True

    def done(self, number: int, offsets: Mapping[bytes, Offsets]) -> bool:
        """
        Let traffic on: the guest equals the primary's.

        Not answered before its QEMU has said the same: an operator who stops the primary's and lets it go on again
        makes no checkpoint, and the primary's QEMU may be heard first.
        """
        self._hear()
        if number == self.number and self.phase is Phase.DONE:
            return True
        if not self._is_under_way(number) or not self.has_parts:  # they may have been removed meanwhile
            return False
        return (self._teller is None or self.turn is Turn.NEW) and self._end(offsets)

    def abort(self, number: int, unchanged: bool) -> bool:
        """Let traffic on if the guest is as it was, and that was valid."""
        if number == self.number and self.phase is Phase.ABORTED:
            return True
        if not self._is_under_way(number):
            return False
        self._hear()
        if self._teller is not None and self.turn is Turn.NEW:
            return self._end({})
        is_known = self._teller is not None and self.turn is Turn.OLD
        return self._abort(None if unchanged or is_known else f"checkpoint {number} failed")

    def unprotect(self, keys: Sequence[bytes] | None) -> bool:
        if keys is None:
            self.followed = False
        for part in self._parts():
            part.unprotect(keys)
        return True

    @property
    def has_parts(self) -> bool:
        """Whether anything here takes part in checkpoints; without, no marker would ever be sent."""
        return bool(self._parts())

    @property
    def awaited_marker(self) -> bytes | None:
        """What the comparer waits for in the guest's output, while a checkpoint is under way that it has asked for."""
        return marker_packet(self._nonce) if self.phase is Phase.BEGUN else None

    @property
    def unprotected(self) -> int:
        """How many connections are open that would be reset at a take-over."""
        return sum(len(part.unprotected()) for part in self._parts())

    def protect_new(self) -> bool:
        """Not answered while it is invalid: nothing is protected then, and the primary must not think so."""
        if self.invalid is not None:
            return False
        self.followed = True
        for part in self._parts():
            part.protect_new()
        return True

    def invalidate(self, reason: str) -> bool:
        """Take over no more until the next checkpoint."""
        self.followed = False
        why = f"the primary says so: {reason}"
        if self._keep(self.number, self.phase, why):
            return True
        self._become_invalid(why)
        return False

    # the primary is lost

    def primary_lost(self) -> None:
        """Find out which state the guest is in, if that isn't known."""
        self.followed = False
        self._hear()
        if self.phase is Phase.UNASKED and self.turn is Turn.NEW:
            self.leave_unasked()
        if self.phase not in (Phase.BEGUN, Phase.UNASKED):
            return
        self._counters.checkpoints_lost += 1
        if (teller := self._teller) is not None:
            self._heed(teller)
        elif self._asks is None:
            self._give_up(f"the primary was lost between BEGIN and DONE of checkpoint {self.number}")
        else:
            self.phase = Phase.ASKING
            self._say(f"the primary was lost during checkpoint {self.number}: asking checkpoint-state")
            self._asks.run({NUMBER_VARIABLE: str(self.number)}).addCallback(self._told_state, self.number)

    def _told_state(self, status: int | None, number: int) -> None:
        assert self._asks is not None
        if self.phase is not Phase.ASKING or number != self.number:
            return
        if status == OLD_STATE:
            known = self._abort(None)
        elif status == NEW_STATE:
            known = self._end({})
        else:
            known = False
        if not known:
            why = self._asks.why_not or f"exit status {status}"
            self._give_up(f"the primary was lost during checkpoint {number}, and checkpoint-state can't tell: {why}")
        self._changed()

    # its QEMU says what it does with the guest

    @property
    def _teller(self) -> ICopy | None:
        """It, where it would say so."""
        copy = self._copy()
        return copy if copy is not None and copy.tells and self.turn is not Turn.UNKNOWN else None

    def _hear(self) -> None:
        """What its QEMU has said by now may still stand in the kernel's queue."""
        if (teller := self._teller) is not None:
            teller.hear()

    def _heed(self, teller: ICopy) -> None:
        """The primary is lost in the middle of a checkpoint: what it has said of the guest decides."""
        if self.turn is Turn.CHANGING:
            self.phase = Phase.ASKING
            self._say("the primary was lost while the guest was being made anew: waiting for its QEMU's word")
            teller.settle()
        else:
            self._settle(self.turn is Turn.NEW)

    def _settle(self, is_new: bool) -> None:
        """The primary is lost, and what has become of the guest is known."""
        if not (self._end({}) if is_new else self._abort(None)):
            self._give_up("what has become of the guest in a checkpoint could not be kept")

    def guest_stopped(self) -> None:
        """It stands still, to become another perhaps; all that it sent before has been received."""
        self.turn = Turn.CHANGING
        if not self.is_checkpointing:
            self._before, self.phase = self.phase, Phase.UNASKED
            for part in self._parts():
                part.begin_checkpoint()
            self._changed()

    def guest_turned(self) -> None:
        """It has become the primary's equal, and runs again."""
        self.turn = Turn.NEW
        for part in self._parts():
            part.guest_turned()
        if self.phase is Phase.ASKING:
            self._settle(True)
        self._changed()

    def guest_kept(self) -> None:
        """It stood still, and is as it was."""
        if self.turn is not Turn.CHANGING:
            return
        self.turn = Turn.OLD
        if self.phase is Phase.ASKING:
            self._settle(False)
        elif self.phase is Phase.UNASKED:
            self.phase = self._before
            for part in self._parts():
                part.abort_checkpoint(self.invalid is None)
        self._changed()

    def guest_unknown(self, why: str) -> None:
        """It stood still, and nobody will say what has become of it."""
        if self.turn is not Turn.CHANGING:
            return
        self.turn = Turn.UNKNOWN
        if self.phase in (Phase.ASKING, Phase.UNASKED):
            self._give_up(f"it was being made anew, and {why}")
        self._changed()

    def leave_unasked(self) -> None:
        """The primary says nothing of the checkpoint that the guest's QEMU has made: go on without its word."""
        if self.phase is not Phase.UNASKED or self.turn is not Turn.NEW:
            return
        self._counters.unasked += 1
        self.phase, self.turn = self._before, Turn.OLD
        for part in self._parts():
            part.end_checkpoint({}, None)
        if self.invalid is not None:
            self.shut()
        self._changed()

    def _give_up(self, why: str) -> None:
        """Nobody knows the guest's state. That holds even where it can't be kept: the file says 'begun' then."""
        if not self._abort(why):
            self.phase = Phase.ABORTED
            self._become_invalid(why)
            for part in self._parts():
                part.abort_checkpoint(False)

    def leave(self, why: str) -> None:
        """Nobody will say how the checkpoint ends that is under way."""
        if self.is_checkpointing:
            self._give_up(f"{why} during checkpoint {self.number}")
            if self._asks is not None:
                self._asks.cancel()

    def close(self) -> None:
        """Ask no more; what is not known stays so in the state file."""
        self.phase, phase = Phase.NONE, self.phase
        self.turn = Turn.UNKNOWN
        if phase is Phase.ASKING and self._asks is not None:
            self._asks.cancel()

    # the take-over

    @property
    def is_checkpointing(self) -> bool:
        """Whether the guest stands still for a checkpoint."""
        return self.phase in (Phase.UNASKED, Phase.BEGUN, Phase.ASKING)

    @property
    def why_not(self) -> str | None:
        """Why the guest can't take over now and what to do, in one line, or None."""
        if self.is_checkpointing:
            return (
                f"checkpoint {self.number} is under way: wait for its end; if the primary is dead, until its connection"
                " is closed"
            )
        if self.invalid is not None:
            return f"the guest is invalid: {self.invalid}; {_REMEDY}"
        return None

    def shut(self) -> None:
        """Nothing passes to or from the guest until it takes over."""
        for part in self._parts():
            part.abort_checkpoint(False)

    # changes of state: kept first

    def _end(self, offsets: Mapping[bytes, Offsets]) -> bool:
        if not self._keep(self.number, Phase.DONE, None):
            return False
        self._counters.checkpoints_done += 1
        self._say(f"checkpoint {self.number} is done: the guest equals the primary's")
        self.turn = Turn.OLD
        marker = marker_packet(self._nonce)
        for part in self._parts():
            part.end_checkpoint(offsets, marker)
        return True

    def _abort(self, invalid: str | None) -> bool:
        """Nothing has changed, or else why the guest is invalid."""
        if not self._keep(self.number, Phase.ABORTED, self.invalid or invalid):
            return False
        self._counters.checkpoints_aborted += 1
        goes_on = self.invalid is None
        self._say(f"checkpoint {self.number} was aborted: the guest's traffic {'goes on' if goes_on else 'is stopped'}")
        for part in self._parts():
            part.abort_checkpoint(goes_on)
        return True

    def _is_under_way(self, number: int) -> bool:
        if number == self.number and self.phase is Phase.BEGUN:
            return True
        self._counters.ignored_numbers += 1
        self._report.warn(f"ignored a message of checkpoint {number}: that is not under way", kind="number")
        return False

    def _keep(self, number: int, phase: Phase, invalid: str | None) -> bool:
        """Take a new state, once it is on the disk; False if it can't be."""
        try:
            self._state.keep({"checkpoint": number, "phase": phase.value, "invalid": invalid})
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

    def _say(self, text: str) -> None:
        self._report.info(text, kind="checkpoint")

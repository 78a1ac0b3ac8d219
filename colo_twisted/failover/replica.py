"""The secondary's part in checkpoints: what it does at each message of the primary's, and when that is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from colo_twisted.checkpoint.command import NUMBER_VARIABLE
from colo_twisted.checkpoint.program import Program
from colo_twisted.failover.guest_state import GuestState
from colo_twisted.failover.phases import Phase, ReplicaCounters, Turn
from colo_twisted.failover.properties import NEW_STATE, OLD_STATE
from colo_twisted.failover.state import StateFile
from colo_twisted.interfaces import ICopy
from colo_twisted.packets.marker import marker_packet
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter


class Replica(GuestState):
    """
    The state of the secondary's guest.

    Each method that stands for a message returns whether that is to be answered: it has been acted
    upon, now or when it came before.

    @ivar turn: what its QEMU has said of it.
    @ivar lost_sight: since it was NEW it may have become a still newer one, unheard.
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
        super().__init__(state, counters, report)
        self.turn = Turn.UNKNOWN
        self._turn_before = Turn.UNKNOWN  # CHANGING
        self.lost_sight = False
        self._aborted = 0  # the last one whose ABORT was acted upon
        self._untold = 0  # checkpoints that its QEMU has made, and of which the primary has not spoken yet
        self._copy = copy
        self._nonce = b""
        self._parts = parts
        self._asks = asks
        self._changed = changed

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
        if self._teller is None and not was_unasked and self.turn is not Turn.CHANGING:
            self.turn = Turn.UNKNOWN
        elif self.turn is Turn.NEW and not was_unasked:
            self.turn = Turn.OLD  # this one needs a RESUME of its own
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
        if number == self.number and self.kept_phase is Phase.DONE:
            return True
        if not self._is_under_way(number) or not self.has_parts:  # they may have been removed meanwhile
            return False
        if self.turn is Turn.OLD and self._untold:
            is_done = self._end_untold()
        else:
            is_done = self.turn in (Turn.NEW, Turn.UNKNOWN) and self._end(offsets)
        self._untold = max(0, self._untold - is_done)
        return is_done

    def _end_untold(self) -> bool:
        """It is of a checkpoint that was followed by another before the last DONE came: the guest is as after that."""
        return self._end({key: offsets for part in self._parts() for key, offsets in part.offsets().items()})

    def abort(self, number: int, unchanged: bool) -> bool:
        """
        Let traffic on if the guest is as it was, and that was valid.

        Its QEMU knows better: what it has made of the guest by now, or makes yet.
        """
        if number == self.number and (self.kept_phase is Phase.ABORTED or number == self._aborted):
            return True
        if not self._is_under_way(number):
            return False
        self._hear()
        if self.turn is Turn.NEW:
            is_kept = self._end({})
        elif self.turn is Turn.CHANGING:
            is_kept = self._leave_to_qemu()
        else:
            is_known = unchanged or self.turn is Turn.OLD
            is_kept = self._abort(None if is_known else f"checkpoint {number} failed")
        if is_kept:
            self._aborted = number
        return is_kept

    def _leave_to_qemu(self) -> bool:
        """The primary waits for it no more, and the guest's QEMU is still at it: as if that had begun by itself."""
        if not self._keep(self.number, Phase.ABORTED, self.invalid):
            return False
        self._counters.checkpoints_aborted += 1
        self._say(f"checkpoint {self.number} was aborted: waiting for the guest's QEMU, which makes one")
        self._leave_for_unasked()
        return True

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
        phase = self.phase
        if self._keep(self.number, self.kept_phase, why):
            self.phase = phase
            return True
        self._become_invalid(why)
        return False

    # the primary is lost

    def primary_lost(self) -> None:
        """Find out which state the guest is in, if that isn't known."""
        self.followed = False
        self._untold = 0
        self._hear()
        if self.phase is Phase.UNASKED and self.turn is Turn.NEW:
            self.leave_unasked()
        if self.phase not in (Phase.BEGUN, Phase.UNASKED):
            return
        self._counters.checkpoints_lost += 1
        if self.turn in (Turn.OLD, Turn.CHANGING) and (teller := self._teller) is not None:
            self._ask("its QEMU")
            teller.settle()
        elif self.turn in (Turn.OLD, Turn.NEW):
            self._settle()
        elif self._asks is None:
            self._give_up(f"the primary was lost between BEGIN and DONE of checkpoint {self.number}")
        else:
            self._ask("checkpoint-state")
            self._asks.run({NUMBER_VARIABLE: str(self.number)}).addCallback(self._told_state, self.number)

    def handed_over(self) -> None:
        """
        The primary's guest is to be heard no more, and this one takes over.

        A checkpoint that is under way ends as this guest's QEMU says; without one, as the primary's process says yet.
        """
        self._hear()
        if self.turn is not Turn.UNKNOWN:
            self.primary_lost()

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
        """It, where it would say what it does from now on."""
        copy = self._copy()
        return copy if copy is not None and copy.tells else None

    def _hear(self) -> None:
        """What its QEMU has said by now may still stand in the kernel's queue."""
        if (copy := self._copy()) is not None:
            copy.hear()

    def _settle(self) -> None:
        """The primary is lost, and what has become of the guest may be known."""
        if self.turn is Turn.UNKNOWN:
            self._give_up("the primary was lost during a checkpoint, and its QEMU could not be heard in it")
        elif not (self._end({}) if self.turn is Turn.NEW else self._abort(None)):
            self._give_up("what has become of the guest in a checkpoint could not be kept")

    def _turn_over(self) -> None:
        """The checkpoint is over; where it was not heard whole, there may have been more of them."""
        if self._teller is None:
            self.turn = Turn.UNKNOWN
        elif self.turn is not Turn.UNKNOWN:
            self.turn = Turn.OLD

    def _stop_unasked(self) -> None:
        """Its QEMU changes it, or has done so, and the primary has said nothing of that."""
        if not self.is_checkpointing:
            self._leave_for_unasked()
            for part in self._parts():
                part.begin_checkpoint()

    def guest_stopped(self) -> None:
        """It stands still, to become another perhaps."""
        self._stop_unasked()
        if self.turn is not Turn.CHANGING:
            self._turn_before, self.turn = self.turn, Turn.CHANGING
        self._changed()

    def guest_turned(self) -> None:
        """It has become the primary's equal, and runs again."""
        self._stop_unasked()
        self.turn, self.lost_sight = Turn.NEW, False
        self._untold += 1
        for part in self._parts():
            part.guest_turned()
        if self.phase is Phase.ASKING:
            self._settle()
        self._changed()

    def guest_kept(self) -> None:
        """It stood still, and is as it was before; or COLO has ended, and it stays as it is."""
        if self.turn is Turn.CHANGING:
            self.turn = self._turn_before
        elif self.turn is not Turn.OLD:
            return
        if self.phase is Phase.ASKING:
            self._settle()
        elif self.phase is Phase.UNASKED and self.turn is not Turn.NEW:
            self.phase = self._before
            for part in self._parts():
                part.abort_checkpoint(self.invalid is None)
        self._changed()

    def guest_unknown(self, why: str) -> None:
        """Nobody will say what becomes of it from now on; one that was the primary's equal will be so again."""
        self.lost_sight = True
        if self.turn not in (Turn.OLD, Turn.CHANGING):
            return
        self.turn = Turn.UNKNOWN
        if self.phase in (Phase.ASKING, Phase.UNASKED):
            self._give_up(f"it was being made anew, and {why}")
        self._changed()

    def guest_known(self) -> None:
        """Nothing has been heard, or been missed, for so long by now that the primary would have spoken of it."""
        self._untold = 0
        if self.turn is Turn.UNKNOWN and not self.is_checkpointing:
            self.turn = Turn.OLD

    def leave_unasked(self, is_sure: bool = True) -> None:
        """
        The primary says nothing of the checkpoint that the guest's QEMU has made: go on without its word.

        @param is_sure: that it was a checkpoint, and no pause of an operator's.
        """
        if self.phase is not Phase.UNASKED or self.turn is not Turn.NEW:
            return
        if not is_sure:
            self.turn = Turn.UNKNOWN
            self._give_up("it stood still, and neither its QEMU nor the primary has said what for")
            self._changed()
            return
        self._counters.unasked += 1
        self._untold = 0
        self.phase = self._before
        self._turn_over()
        if self.invalid is not None:
            self.shut()  # first: nothing of what waited goes on
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
        self._turn_over()
        marker = marker_packet(self._nonce)
        for part in self._parts():
            if self.lost_sight:
                part.guest_turned()
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

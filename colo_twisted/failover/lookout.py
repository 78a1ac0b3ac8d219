"""What a colo-peer has beside its own connection: beats by other ways, how connections end, the fence, the guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colo_twisted.failover.arbitration import MS, Arbitration
from colo_twisted.failover.closing import Closing
from colo_twisted.failover.fence import Fence, FenceCounters, Victim, address_of
from colo_twisted.failover.guest_watch import GuestWatch
from colo_twisted.failover.messages import Message
from colo_twisted.failover.properties import LEAST_BEATS, ColoPeerProperties
from colo_twisted.failover.table import PRIMARY, SECONDARY
from colo_twisted.failover.ways import Ways, unlike
from colo_twisted.interfaces import IChardev, ICheckpointed, ICopy, IMachine, IMirror
from colo_twisted.link.addresses import UNIXAddress
from colo_twisted.reporting import Reporter


class Lookout:
    """Tells an arbitration what it sees, and sends its beats."""

    def __init__(
        self,
        properties: ColoPeerProperties,
        machine: IMachine,
        chardev: IChardev,
        arbitration: Arbitration,
        counters: FenceCounters,
        report: Reporter,
        gone: Callable[[str], None],
    ) -> None:
        """
        @param gone: called with the reason when this side's guest has died, or can reach the network no more.
        """
        self._machine = machine
        self._report = report
        self._chardev = chardev
        self._arbitration = arbitration
        self._role = properties.role
        self._takes_over = properties.takeover != "manual"
        self._interval, self._timeout = properties.interval, properties.timeout
        self._gone: Callable[[str], None] = gone
        self._address = ""  # the other side's, as it last was
        self._their_word: Message | None = None
        self._started = False
        self._ways = Ways(machine, properties.role, arbitration.life, arbitration.overheard)
        arbitration.headers = lambda: self._ways.headers
        arbitration.why_unfit = lambda: self.why_unfit
        arbitration.may_offer = self._may_offer
        arbitration.has_ways = lambda: any(chardev.connected for chardev in self._ways.chardevs)
        self._closing = Closing(machine, _is_direct(properties, chardev), self._ended)
        self._guest = self._watching(properties, machine, report)
        if properties.fence is not None:
            arbitration.fence = Fence(
                machine,
                properties.fence,
                properties.fence_timeout / MS,
                self._victim,
                lambda is_off, why: arbitration.fenced(is_off),
                counters,
                report,
            )

    def _watching(self, properties: ColoPeerProperties, machine: Any, report: Reporter) -> GuestWatch | None:
        if properties.guest_watch is None:
            return None
        return GuestWatch(properties.guest_watch, machine, machine.netdevs, self._guest_gone, report)

    def _guest_gone(self, why: str) -> None:
        self._gone(why)
        if self._guest is not None and self._started:
            self._guest.start()  # another one may come in its place

    def _victim(self) -> Victim:
        return Victim(self._role, self._address, self._arbitration.arbiter.kept.epoch, self._arbitration.knows)

    def start(self) -> None:
        self._started = True
        self._machine.object_watchers.append(self._ways.look)
        self._closing.start()
        self._ways.look()
        if self._guest is not None:
            self._guest.start()

    def stop(self) -> None:
        """Harmless when it has stopped."""
        if not self._started:
            return
        self._started = False
        self._machine.object_watchers.remove(self._ways.look)
        self._ways.leave()
        self._closing.stop()
        if self._guest is not None:
            self._guest.stop()

    def met(self, hello: Message) -> None:
        """The other side has said who it is, and what its beats bear."""
        if self._chardev.peer is not None:
            self._address = address_of(self._chardev.peer)
        self.heard(hello)

    def heard(self, word: Message) -> None:
        """The other side has said how it stands."""
        self._ways.secret = word.nonce
        self._their_word = word
        if (unlike := self.unlike) is not None:
            self._report.warn(f"{unlike}: the secondary can't follow before that is mended", kind="unlike")

    def _may_offer(self) -> bool:
        """A secondary that could not follow yet is told that new connections are protected once it could."""
        return self.unlike is None and (self._their_word is None or self._their_word.fit)

    @property
    def unlike(self) -> str | None:
        """What of the two sides' configurations doesn't go together, in words, or None."""
        word = self._their_word
        if word is None:
            return None
        mine, theirs = self._ways.headers, word.headers
        headers = unlike(mine, theirs) if self._role == PRIMARY else unlike(theirs, mine)
        return headers or self._unlike_times(word)

    def _unlike_times(self, word: Message) -> str | None:
        """One that waits for less than the other's beats need takes a live one for dead."""
        us, them = (SECONDARY, PRIMARY) if self._role == SECONDARY else (PRIMARY, SECONDARY)
        for whose, timeout, others, interval in (
            (us, self._timeout, them, word.interval_ms),
            (them, word.timeout_ms, us, self._interval),
        ):
            if timeout < LEAST_BEATS * interval:
                return (
                    f"timeout={timeout} of the {whose} is too short for interval={interval} of the {others} (allowed:"
                    f" at least {LEAST_BEATS} times that)"
                )
        return None

    def synced(self) -> None:
        """How the channels end counts from now on."""
        self._closing.watch([self._chardev, *self._ways.chardevs])

    def beat(self, message: Message) -> None:
        """By the data channels, ten times a second or so: the time to look at this side's own cable, too."""
        self._look_at_cable()
        if message.knows:
            confirms = self._arbitration.arbiter.confirms
            self._ways.send(self._arbitration.secret, message.knows, message.number, message.echo, confirms)

    @property
    def why_unfit(self) -> str | None:
        """Why this side's guest could not take over if it had to, or can't follow, in words; None if it could."""
        if (unlike := self.unlike) is not None:
            return unlike
        if not self._is_there:
            return "guest-watch has not seen this side's guest"
        if why := self._why_no_copy:
            return why
        if not self._takes_over:
            return None
        if out := self._cables_out:
            return f"the cable of netdev '{out[0]}' is out: no client could reach this side's guest"
        if self._role == SECONDARY and self._their_word is not None and not self._their_word.keeps:
            return "this side takes over by itself, so the primary must have a state-file: started anew, it would speak"
        return None

    @property
    def _why_no_copy(self) -> str | None:
        """A secondary's QEMU that isn't under COLO has no copy of the primary's guest."""
        if self._arbitration.arbiter.kept.role != SECONDARY:
            return None
        copies = self._machine.providers(ICopy)
        return next((f"colo-qemu '{copy.id}': {copy.why_not}" for copy in copies if copy.why_not is not None), None)

    @property
    def is_mended(self) -> bool:
        """Whether nothing is left of what this side's guest could be given up for."""
        return self._is_there and not self._cables_out

    @property
    def _is_there(self) -> bool:
        return self._guest is None or self._guest.present

    @property
    def _cables_out(self) -> list[str]:
        """The netdevs of the pair whose frames can't go to the network."""
        of_pair: Any = ICheckpointed if self._role == SECONDARY else IMirror
        netdevs = [made.netdev for made in self._machine.providers(of_pair) if hasattr(made, "netdev")]
        return [netdev for netdev in netdevs if not self._machine.chain(netdev).reaches_network]

    def _look_at_cable(self) -> None:
        matters = self._takes_over if self._role == SECONDARY else self._arbitration.arbiter.bound
        if matters and (out := self._cables_out):
            self._gone(f"the cable of netdev '{out[0]}' is out")

    def _ended(self) -> None:
        """A channel has ended; the others' ends may be in the kernel yet, and are heard of in this turn."""
        if self._closing.is_closed:
            self._arbitration.closed()


def _is_direct(properties: ColoPeerProperties, chardev: Any) -> bool:
    if properties.direct is not None:
        return properties.direct
    link_options = getattr(chardev, "link_options", None)
    return link_options is not None and isinstance(link_options.address, UNIXAddress)

# cython: annotation_typing=False
"""
What a rewriter knows of a TCP connection that its guest follows.

The guest numbers what it sends from an ISN of its own, the client knows the primary's: ``offset`` is the one less
the other. All sequence numbers here are in the guest's numbering; those of what the client sends need none.
"""

from __future__ import annotations

from colo_twisted.packets import sequence
from colo_twisted.packets.connections import Connection
from colo_twisted.packets.tcp import LARGEST_SCALE
from colo_twisted.packets.tcp_options import NO_SCALE

# states
PROPOSED = 0  # a client's SYN was seen, which may be anybody's
OPENING = 1  # the guest's SYN or SYN-ACK was seen; the primary's ISN is not known yet
OPEN = 2  # the offset is known
CLOSED = 3

CLOSED_SECONDS = 60.0
OPENING_SECONDS = 130.0  # Linux repeats a SYN after at most 64 s
IDLE_SECONDS = 3600.0  # without an offset nothing is lost but the memory of what was sent
LIVE_SECONDS = 5 * 24 * 3600.0  # no guest keeps a silent connection for longer by default

# what has been seen since the last moment at which nothing was known
GUEST_SEEN = 1
CLIENT_SEEN = 2
BOTH_SEEN = 3

# the ends of the two streams
GUEST_FIN = 1
GUEST_FIN_ACKED = 2
CLIENT_FIN = 4
CLIENT_FIN_ACKED = 8
BOTH_FINS_ACKED = 10

LEAP = 1 << 22  # ticks of a timestamp clock: 70 minutes of milliseconds, or 4 s of microseconds

_LARGEST_WINDOW = 0xFFFF


V4_KEY = 12  # of a connection without tags: two addresses and two ports
V6_KEY = 36


def reversed_key(key: bytes, version: int) -> bytes:
    """The key (``Headers.connection_key``) of a TCP connection's packets in the other direction."""
    if version == 4:
        at, size = len(key) - V4_KEY, 4
    else:
        at, size = len(key) - V6_KEY, 16
    ports = at + 2 * size
    addresses = key[at + size : ports] + key[at : at + size]
    return key[:at] + addresses + key[ports + 2 :] + key[ports : ports + 2]


class Followed(Connection):
    """One connection; ``key`` is that of its packets from the guest."""

    __slots__ = (
        "client_ack",
        "client_fin",
        "client_scale",
        "client_stamp",
        "fins",
        "guest_fin",
        "guest_offers_scale",
        "guest_scale",
        "isn",
        "isn_known",
        "keeps",
        "leap_from",
        "leapt",
        "learnt",
        "link",
        "offset",
        "opens_unprotected",
        "owed",
        "progressed",
        "proposed",
        "proposed_isn",
        "proposed_scale",
        "rcv_known",
        "rcv_nxt",
        "seen",
        "sent",
        "shown",
        "state",
        "ts_newest",
        "ts_offset",
        "ts_seen",
        "unprotected",
        "window",
    )

    def __init__(self, key: bytes, now: float) -> None:
        super().__init__(key, now)
        self.state = PROPOSED
        self.unprotected = False
        self.opens_unprotected = False  # so is what the guest opens next, or its answer to the client's newest SYN
        self.isn_known = False
        self.isn = 0
        self.learnt = False  # whether the offset is known
        self.offset = 0
        self.seen = 0
        self.sent = 0  # how far acks may go: what it has sent or, met in mid-stream, may have sent
        self.shown = 0  # what it has been seen to have sent
        self.client_ack = 0  # the highest
        self.rcv_known = False
        self.rcv_nxt = 0  # of the guest, as far as it or what was given to it shows
        self.ts_seen = False
        self.client_stamp = 0  # the client's newest TSval that the guest was given; 0 before there is one
        self.ts_newest = 0  # the guest's newest TSval
        self.ts_offset = 0
        self.leapt = False
        self.leap_from = 0  # the guest's newest TSval at the leap
        self.proposed = False
        self.proposed_isn = 0
        self.proposed_scale = NO_SCALE
        self.guest_offers_scale = True
        self.client_scale = self.guest_scale = LARGEST_SCALE  # in doubt
        self.fins = 0
        self.guest_fin = self.client_fin = 0
        self.owed = False  # an ack was lowered, and the guest hasn't got the rest of it yet
        self.window = 0  # the field that came with the client's highest ack
        self.link = b""  # the Ethernet header of the guest's packets; empty before there was one
        self.keeps = False  # whether output of it is kept
        self.progressed = False  # whether the client has acknowledged some of that since its turn to be dropped

    def lifetime(self) -> float:
        if self.state == OPEN:
            return LIVE_SECONDS if self.live() else IDLE_SECONDS
        return OPENING_SECONDS if self.state == OPENING else CLOSED_SECONDS

    def live(self) -> bool:
        """Whether forgetting it would break it."""
        return self.state == OPEN and (self.offset != 0 or self.ts_offset != 0 or self.unprotected)

    def engaged(self) -> bool:
        return self.owed or (
            self.live() and self.last_used + LIVE_SECONDS > self.looked_at()
        )  # used since it was filed

    # opening

    def propose(self, isn: int, scale: int, unprotected: bool) -> None:
        """A client's SYN: it counts once the guest has answered it."""
        if self.proposed and isn != self.proposed_isn and self.state != CLOSED:  # not the one that was unprotected
            self.opens_unprotected = unprotected
        elif unprotected:
            self.opens_unprotected = True
        self.proposed = True
        self.proposed_isn = isn
        self.proposed_scale = scale

    def restart(self, isn: int, end: int, offers_scale: bool) -> None:
        """The guest's SYN or SYN-ACK with an ISN not seen before; ``end`` is that of what it has sent."""
        self.state = OPENING
        self.isn_known = True
        self.isn = isn
        self.learnt = False
        self.offset = self.ts_offset = 0
        self.seen = GUEST_SEEN
        self.sent = self.shown = end
        self.client_ack = sequence.add(isn, 1)
        self.rcv_known = False
        self.ts_seen = self.leapt = False
        self.guest_offers_scale = offers_scale
        self.client_scale = self.guest_scale = LARGEST_SCALE
        self.fins = 0
        self.owed = False
        self.client_stamp = 0

    def unprotect(self) -> None:
        """
        It is not protected, nor will it be when the guest opens it, late or with another ISN than before.

        Not so of what the guest opens when that one is over.
        """
        self.unprotected = True
        if self.proposed or not (self.isn_known or self.seen & GUEST_SEEN):
            self.opens_unprotected = True

    def protect(self) -> None:
        """A checkpoint has made the guest the primary's."""
        self.unprotected = self.opens_unprotected = False

    def answer(self, ack: int, guest_scale: int) -> None:
        """The guest's SYN-ACK acknowledges a client's SYN."""
        self.rcv_known = True
        self.rcv_nxt = ack
        if guest_scale == NO_SCALE:
            self.client_scale = self.guest_scale = 0
        else:
            self.guest_scale = guest_scale
            sent = sequence.distance(ack, sequence.add(self.proposed_isn, 1))
            if self.proposed and 0 <= sent <= _LARGEST_WINDOW:  # data on a SYN
                self.client_scale = 0 if self.proposed_scale == NO_SCALE else self.proposed_scale

    def answered(self, scale: int) -> None:
        """The client's SYN-ACK brings its window scale."""
        if scale == NO_SCALE or not self.guest_offers_scale:
            self.client_scale = self.guest_scale = 0
        else:
            self.client_scale = scale

    def learn(self, ack: int) -> None:
        """The client's first ack: that of the primary's SYN."""
        self.offset = sequence.add(self.isn + 1, -ack)
        self.state = OPEN
        self.learnt = True
        self.seen = BOTH_SEEN

    def meet(self, offset: int, ts_offset: int) -> None:
        """Met in mid-stream, or made equal to the primary's by a checkpoint."""
        self.state = OPEN
        self.learnt = True
        self.isn_known = False
        self.offset = offset
        self.ts_offset = ts_offset
        self.seen = 0
        self.rcv_known = self.ts_seen = self.leapt = False
        self.fins = 0
        self.owed = False

    # the two streams

    def plausible(self, seq: int) -> bool:
        """Whether a client's segment lies within a window of what the guest expects: else it may be anybody's."""
        if not self.rcv_known:
            return True
        span = _LARGEST_WINDOW << self.guest_scale
        return -span <= sequence.distance(seq, self.rcv_nxt) <= span

    def expects(self, seq: int) -> bool:
        """Whether the guest has, or takes now, all that precedes it: a later segment's TSval it doesn't remember."""
        return not self.rcv_known or not sequence.before(self.rcv_nxt, seq)

    def guest_sent(self, end: int) -> bool:
        """The guest's segment ends there; whether it has been seen to have sent more than before."""
        if not self.seen & GUEST_SEEN:
            self.seen |= GUEST_SEEN
            self.sent = self.shown = end
            if self.seen & CLIENT_SEEN and not sequence.before(self.client_ack, end):
                self.sent = self.client_ack
            return True
        if sequence.distance(end, self.shown) <= 0:
            return False
        self.shown = end
        if not sequence.before(end, self.sent):
            self.sent = end
        return True

    def guest_acked(self, ack: int) -> None:
        """The guest has received up to there."""
        if not self.rcv_known or not sequence.before(ack, self.rcv_nxt):
            self.rcv_known = True
            self.rcv_nxt = ack
        if self.fins & CLIENT_FIN and not sequence.before(ack, self.client_fin):
            self.fins |= CLIENT_FIN_ACKED

    def client_sent(self, seq: int, length: int) -> None:
        """A client's segment of SEG.LEN ``length`` was given to the guest: if it is the next, it takes it."""
        if self.rcv_known and 0 <= sequence.distance(self.rcv_nxt, seq) < length:
            self.rcv_nxt = sequence.add(seq, length)

    def client_acked(self, ack: int, window: int) -> None:
        """The client acknowledges up to there, and has a window."""
        if self.seen & CLIENT_SEEN:
            if sequence.before(ack, self.client_ack):
                return
        else:
            self.seen |= CLIENT_SEEN
            if self.seen & GUEST_SEEN and not sequence.before(ack, self.sent):
                self.sent = ack
        self.client_ack = ack
        self.window = window
        if self.fins & GUEST_FIN and not sequence.before(ack, self.guest_fin):
            self.fins |= GUEST_FIN_ACKED

    def beyond(self, number: int) -> int:
        """How far a number lies beyond what the guest has sent; 0 if it doesn't, or that isn't known."""
        return max(0, sequence.distance(number, self.sent)) if self.seen == BOTH_SEEN else 0

    def outrun(self, number: int) -> int:
        """How far a number lies beyond what the guest has been seen to have sent; 0 if it doesn't."""
        return max(0, sequence.distance(number, self.shown)) if self.seen == BOTH_SEEN else 0

    def acknowledged(self, end: int) -> bool:
        """Whether the client has acknowledged up to there."""
        return self.seen == BOTH_SEEN and not sequence.before(self.client_ack, end)

    def window_for(self, ack: int, client_ack: int, window: int) -> int:
        """The window field whose edge with a lower ``ack`` is that of the client's."""
        return min(window + (sequence.distance(client_ack, ack) >> self.client_scale), _LARGEST_WINDOW)

    def over(self) -> bool:
        """Whether both FINs have been acknowledged."""
        return self.fins & BOTH_FINS_ACKED == BOTH_FINS_ACKED

    def client_end_fin(self, end: int) -> None:
        """The client's FIN ends there."""
        if not self.fins & CLIENT_FIN:
            self.fins |= CLIENT_FIN
            self.client_fin = end

    def guest_end_fin(self, end: int) -> None:
        """The guest's FIN ends there."""
        self.fins |= GUEST_FIN
        self.guest_fin = end

    # timestamps

    def stamp(self, tsval: int) -> int:
        """The guest's TSval as the client shall see it."""
        if not self.ts_seen or not sequence.before(tsval, self.ts_newest):
            self.ts_seen = True
            self.ts_newest = tsval
        return sequence.add(tsval, -self.ts_offset)

    def note_client_stamp(self, tsval: int) -> None:
        """The guest is given this TSval of the client's, and remembers it (RFC 7323 section 4.3)."""
        self.client_stamp = sequence.later_of(self.client_stamp, tsval) if self.client_stamp else tsval

    def learn_echo(self, tsecr: int) -> None:
        """The client echoes the primary's SYN; the guest's own has the newest TSval."""
        self.ts_offset = sequence.add(self.ts_newest, -tsecr)

    def leap(self) -> None:
        """
        A take-over: what the client sees from now on is newer than any TSval of the primary's, echoed or not.

        Else it would drop segments (RFC 7323 section 5, PAWS): those that were kept are older than what the primary
        sent last, and so is what a guest sends that is behind.
        """
        if self.learnt and self.ts_seen and not self.leapt:
            self.leapt = True
            self.leap_from = self.ts_newest
            self.ts_offset = sequence.add(self.ts_offset, -LEAP)

    def echo(self, tsecr: int, believed: bool) -> int:
        """A client's TSecr as the guest shall see it; one above all that the guest has sent moves the offset."""
        mine = sequence.add(tsecr, self.ts_offset)
        if self.leapt:
            if sequence.before(mine, self.leap_from):  # of before the leap: of this guest's, or the primary's
                mine = sequence.add(mine, LEAP)
                return self.leap_from if sequence.before(self.leap_from, mine) else mine
            self.leapt = not believed or mine == self.leap_from  # what a client echoes never becomes older
        if believed and self.ts_seen and sequence.distance(mine, self.ts_newest) > 0:
            self.ts_offset = sequence.add(self.ts_newest, -tsecr)
            return self.ts_newest
        return mine

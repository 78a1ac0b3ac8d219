"""The half of the user-space TCP endpoint that sends: what its user does, time, segments, retransmission."""

from __future__ import annotations

from random import Random

from tests.support.segments import ACK, FIN, MODULUS, RST, SYN, Address, Segment

FIRST_RTO = 0.2  # seconds, doubled at each retransmission
LAST_RTO = 3.2
LARGEST_WINDOW = 0xFFFF


class Sender:
    """An endpoint's state, and all of it that needs no packet from the peer."""

    def __init__(
        self,
        local: Address,
        remote: Address,
        *,
        isn: int = 0,
        clock: int | None = 0,
        mss: int = 1460,
        scale: int | None = 7,
        sack: bool = True,
        buffer: int = 1 << 18,
        ack_delay: float = 0.0,
        flight: int = 1 << 20,
        cuts: Random | None = None,
        tags: tuple[int, ...] = (),
    ) -> None:
        self.local, self.remote, self.tags = local, remote, tags
        self.isn, self.clock, self.mss, self.sack = isn, clock, mss, sack
        self.buffer, self.ack_delay, self.flight, self.cuts = buffer, ack_delay, flight, cuts
        self.offered_scale = scale
        self.state = "CLOSED"
        self.reset = False  # ended by a reset of the peer's
        self.reading = True
        self.out: list[bytes] = []
        self.wrongs: list[str] = []
        self.stream = bytearray()  # all that was ever to be sent
        self.received = bytearray()  # all that ever came, in order
        self.consumed = 0
        self.snd_una = self.snd_nxt = self.recover = 0
        self.snd_edge = 0  # the right edge of the peer's window
        self.irs = self.rcv_nxt = self.rcv_edge = 0
        self.snd_scale = self.rcv_scale = 0
        self.ts_on = clock is not None
        self.ts_recent: int | None = None
        self.first_tsval: int | None = None
        self.sack_on = False
        self.closing = False  # close was called
        self.fin_received = False
        self.early: dict[int, bytes] = {}  # out of order, by place
        self.early_fin: int | None = None
        self.duplicates = 0
        self.wl1 = 0  # place in the peer's stream of what the window was last taken from
        self.rto = FIRST_RTO
        self.retransmit_at: float | None = None
        self.ack_at: float | None = None
        self.gone_at: float | None = None

    # what its user does

    def listen(self) -> None:
        self.state = "LISTEN"

    def connect(self, now: float) -> None:
        self.state = "SYN-SENT"
        self._send_syn(SYN, now)

    def send(self, data: bytes, now: float) -> None:
        self.stream += data
        self._push(now)

    def close(self, now: float) -> None:
        self.closing = True
        self._push(now)

    def abort(self, now: float) -> None:
        """Send a reset, and forget the connection."""
        if self.state not in ("CLOSED", "LISTEN", "SYN-SENT", "TIME-WAIT"):
            self._emit(RST | ACK, self.snd_nxt, now)
        self._forget()

    def read(self, now: float) -> None:
        """Take all that has come, and tell the peer that there is room."""
        shut = self.rcv_edge - self.rcv_nxt < self.mss
        self.consumed = len(self.received)
        if shut and self.state not in ("CLOSED", "LISTEN", "SYN-SENT"):
            self._ack_now(now)

    def probe(self, now: float) -> None:
        """A keep-alive (RFC 9293 section 3.8.4)."""
        self._emit(ACK, self.snd_nxt - 1, now)

    def take(self) -> list[bytes]:
        """The packets that it wants to send."""
        packets, self.out = self.out, []
        return packets

    @property
    def fin_place(self) -> int:
        return 1 + len(self.stream)

    @property
    def all_acknowledged(self) -> bool:
        return self.snd_una >= self.fin_place + self.closing

    # time

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is to be called."""
        return min((at for at in (self.retransmit_at, self.ack_at, self.gone_at) if at is not None), default=None)

    def tick(self, now: float) -> None:
        if self.gone_at is not None and self.gone_at <= now:
            self._forget()
        if self.ack_at is not None and self.ack_at <= now:
            self._ack_now(now)
        if self.retransmit_at is not None and self.retransmit_at <= now:
            self.rto = min(self.rto * 2, LAST_RTO)
            self.recover = self.snd_nxt
            self._retransmit(now)
            self.retransmit_at = now + self.rto

    def _retransmit(self, now: float) -> None:
        if self.snd_una == 0:
            self._send_syn(SYN if self.state == "SYN-SENT" else SYN | ACK, now)
        elif self.snd_una < self.snd_nxt:
            self._send_piece(self.snd_una, min(self.mss, self.snd_nxt - self.snd_una), now)
        else:
            self.probe(now)  # of a shut window

    # sending

    def _tsval(self, now: float) -> int:
        assert self.clock is not None
        return (int(now * 1000) + self.clock) % MODULUS

    def _send_syn(self, flags: int, now: float) -> None:
        self.snd_nxt = max(self.snd_nxt, 1)
        self._emit(flags, 0, now)
        self._await_ack(now)

    def _emit(self, flags: int, place: int, now: float, payload: bytes = b"") -> None:
        syn = bool(flags & SYN)
        answering = bool(flags & ACK) and syn
        timestamps = None
        if self.ts_on:
            timestamps = (self._tsval(now), (self.ts_recent or 0) if flags & ACK else 0)
            if self.first_tsval is None:
                self.first_tsval = timestamps[0]
        segment = Segment(
            seq=(self.isn + place) % MODULUS,
            ack=(self.irs + self.rcv_nxt) % MODULUS if flags & ACK else 0,
            flags=flags,
            window=self._window_field(syn),
            payload=payload,
            mss=self.mss if syn else None,
            scale=self.offered_scale if syn else None,
            sack_permitted=syn and self.sack and (self.sack_on or not answering),
            sack=self._sack_blocks() if flags & ACK and not syn else (),
            timestamps=timestamps,
        )
        if flags & ACK:
            self.ack_at = None
        self.out.append(segment.packet(self.local, self.remote, self.tags))

    def _window_field(self, syn: bool) -> int:
        free = self.buffer - (len(self.received) - self.consumed)
        scale = 0 if syn else self.rcv_scale
        room = max(self.rcv_edge - self.rcv_nxt, free if free >= min(self.mss, self.buffer // 2) else 0)
        field = min(room >> scale, LARGEST_WINDOW)
        self.rcv_edge = max(self.rcv_edge, self.rcv_nxt + (field << scale))
        return field

    def _sack_blocks(self) -> tuple[tuple[int, int], ...]:
        if not self.sack_on:
            return ()
        blocks: list[list[int]] = []
        for place in sorted(self.early):
            if blocks and place <= blocks[-1][1]:
                blocks[-1][1] = max(blocks[-1][1], place + len(self.early[place]))
            else:
                blocks.append([place, place + len(self.early[place])])
        return tuple(((self.irs + left) % MODULUS, (self.irs + right) % MODULUS) for left, right in blocks[:3])

    def _push(self, now: float) -> None:
        """Send what the window, the flight and the state allow."""
        if self.state not in ("ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-1", "CLOSING", "LAST-ACK"):
            return
        while self.snd_nxt < self.fin_place:
            size = self.mss if self.cuts is None else self.cuts.randint(1, self.mss)
            edge = min(self.snd_edge, self.snd_una + self.flight)
            size = min(size, self.fin_place - self.snd_nxt, edge - self.snd_nxt)
            if size <= 0:
                break
            self._send_piece(self.snd_nxt, size, now)
        if self.closing and self.snd_nxt == self.fin_place:
            self._send_piece(self.fin_place, 0, now)
        if self.snd_una < self.fin_place:
            self._await_ack(now)  # or for the window to open

    def _send_piece(self, place: int, size: int, now: float) -> None:
        payload = bytes(self.stream[place - 1 : place - 1 + size])
        end = place + len(payload)
        flags = ACK
        if self.closing and end == self.fin_place:
            flags |= FIN
            end += 1
            self.state = {"ESTABLISHED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}.get(self.state, self.state)
        self.snd_nxt = max(self.snd_nxt, end)
        self._emit(flags, place, now, payload)
        self._await_ack(now)

    def _await_ack(self, now: float) -> None:
        if self.retransmit_at is None:
            self.retransmit_at = now + self.rto

    def _ack_now(self, now: float) -> None:
        self._emit(ACK, self.snd_nxt, now)

    def _forget(self) -> None:
        self.state = "CLOSED"
        self.retransmit_at = self.ack_at = self.gone_at = None

    def _send_reset(self, segment: Segment, now: float) -> None:
        """RFC 9293 section 3.5.2, without a word about our own sequence."""
        if segment.flags & RST:
            return
        if segment.flags & ACK:
            answer = Segment(segment.ack, flags=RST, window=0)
        else:
            answer = Segment(0, segment.end, RST | ACK, window=0)
        self.out.append(answer.packet(self.local, self.remote, self.tags))

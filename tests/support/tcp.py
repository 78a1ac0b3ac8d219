"""
A user-space TCP endpoint (RFC 9293, 7323, 2018) over Ethernet packets: one connection, deterministic, time an argument.

It has its own ISN and timestamp clock, as each of two replicas has. All of its state can be copied with
``copy.deepcopy``: a checkpoint. Places in its streams are whole numbers that never wrap: 0 is the SYN, 1 the first
byte.
"""

from __future__ import annotations

from tests.support.segments import ACK, FIN, MODULUS, RST, SYN, Segment
from tests.support.tcp_sender import FIRST_RTO, Sender

TIME_WAIT_SECONDS = 1.0


def signed(number: int) -> int:
    """A difference of two sequence numbers as the nearest one of either sign."""
    return (number + MODULUS // 2) % MODULUS - MODULUS // 2


class Endpoint(Sender):
    """
    What it wants to send stands in ``out``: packets, taken with ``take``.

    ``cuts`` makes it cut its stream at random; ``flight`` bounds what it has in flight, as a congestion window does.
    ``reading`` False lets its window run full. ``wrongs`` lists what no honest peer would have sent.
    """

    def receive(self, packet: bytes, now: float) -> None:
        segment = Segment.of(packet)
        if segment is None:
            self.wrongs.append("checksum")
        elif self.state == "CLOSED":
            self._send_reset(segment, now)
        elif self.state == "LISTEN":
            self._in_listen(segment, now)
        elif self.state == "SYN-SENT":
            self._in_syn_sent(segment, now)
        else:
            self._in_synchronized(segment, now)
            self._push(now)

    def _in_listen(self, segment: Segment, now: float) -> None:
        if segment.flags & ACK:
            self._send_reset(segment, now)
        elif segment.flags & SYN:
            self._take_syn(segment)
            self.state = "SYN-RECEIVED"
            self._send_syn(SYN | ACK, now)

    def _take_syn(self, segment: Segment) -> None:
        self.irs, self.rcv_nxt = segment.seq, 1
        self.rcv_edge = 1
        self.ts_on = self.ts_on and segment.timestamps is not None
        self.ts_recent = segment.timestamps[0] if segment.timestamps and self.ts_on else None
        self.sack_on = self.sack and segment.sack_permitted
        if segment.scale is None or self.offered_scale is None:
            self.offered_scale = None
        else:
            self.snd_scale, self.rcv_scale = segment.scale, self.offered_scale
        self.mss = min(self.mss, segment.mss or 536) - (12 if self.ts_on else 0)
        self.snd_edge = self.snd_una + segment.window
        if segment.flags & ACK:
            self.snd_edge = signed(segment.ack - self.isn) + segment.window

    def _in_syn_sent(self, segment: Segment, now: float) -> None:
        if segment.flags & ACK and segment.ack != (self.isn + 1) % MODULUS:
            self.wrongs.append("ack in SYN-SENT")
            self._send_reset(segment, now)
        elif segment.flags & RST:
            if segment.flags & ACK:
                self.reset = True
                self._forget()
        elif segment.flags & ACK and self._foreign_echo(segment, now):
            self._send_reset(segment, now)  # as Linux does
        elif segment.flags & SYN:
            self._take_syn(segment)
            if segment.flags & ACK:
                self.snd_una, self.retransmit_at = 1, None
                self.state = "ESTABLISHED"
                self._ack_now(now)
                self._push(now)
            else:
                self.state = "SYN-RECEIVED"
                self._send_syn(SYN | ACK, now)

    def _foreign_echo(self, segment: Segment, now: float) -> bool:
        """Whether it echoes a timestamp that we never sent (RFC 7323 section 3.2)."""
        if not self.ts_on or segment.timestamps is None or not segment.flags & ACK or self.first_tsval is None:
            return False
        echo = segment.timestamps[1]
        foreign = signed(echo - self._tsval(now)) > 0
        if self.state == "SYN-SENT":  # later a rewriter's newer offset may make an old echo older than the first
            foreign = foreign or signed(echo - self.first_tsval) < 0
        if foreign:
            self.wrongs.append(f"TSecr {echo} in {self.state}")
        return foreign

    def _in_synchronized(self, segment: Segment, now: float) -> None:
        place = self.rcv_nxt + signed(segment.seq - (self.irs + self.rcv_nxt))
        if self.state == "SYN-RECEIVED" and segment.flags & SYN and place == 0:
            if not segment.flags & ACK:
                self._send_syn(SYN | ACK, now)  # it asks again
                return
            segment, place = segment.but(seq=(segment.seq + 1) % MODULUS, flags=ACK), 1  # simultaneous open
        if self._too_old(segment):
            if not segment.flags & RST:
                self._ack_now(now)
            return
        if not self._acceptable(place, segment.length):
            if not segment.flags & RST:
                self._ack_now(now)
            return
        if segment.flags & RST:
            if place == self.rcv_nxt:
                self.reset = True
                self._forget()
            else:
                self._ack_now(now)  # RFC 5961 section 3
        elif segment.flags & SYN:
            self._ack_now(now)  # RFC 5961 section 4
        elif segment.flags & ACK:
            if segment.timestamps and place <= self.rcv_nxt:
                self.ts_recent = segment.timestamps[0]
            self._foreign_echo(segment, now)
            if self._take_ack(segment, place, now):
                self._take_payload(segment, place, now)

    def _too_old(self, segment: Segment) -> bool:
        """PAWS."""
        if not self.ts_on or segment.timestamps is None or self.ts_recent is None or segment.flags & RST:
            return False
        return signed(segment.timestamps[0] - self.ts_recent) < 0

    def _acceptable(self, place: int, length: int) -> bool:
        edge = max(self.rcv_edge, self.rcv_nxt)
        if length == 0:
            return self.rcv_nxt <= place <= edge
        return place < edge and place + length > self.rcv_nxt

    def _take_ack(self, segment: Segment, place: int, now: float) -> bool:
        """False if the segment is to be dropped whole."""
        acked = self.snd_una + signed(segment.ack - (self.isn + self.snd_una))
        if acked > self.snd_nxt:
            self.wrongs.append("ack beyond SND.NXT")
            if self.state == "SYN-RECEIVED":
                self._send_reset(segment, now)
            else:
                self._ack_now(now)
            return False
        for left, right in segment.sack:
            if signed(right - (self.isn + self.snd_nxt)) > 0 or signed(right - left) <= 0:
                self.wrongs.append("SACK block beyond SND.NXT")
        if self.state == "SYN-RECEIVED":
            if acked < 1:
                self._send_reset(segment, now)
                return False
            self.state = "ESTABLISHED"
        if acked > self.snd_una:
            self._advance(acked, now)
        elif acked == self.snd_una < self.snd_nxt and not segment.length:
            self.duplicates += 1
            if self.duplicates == 3:
                self.recover = self.snd_nxt
                self._retransmit(now)
        if acked == self.snd_una and place >= self.wl1:  # an older segment's window says nothing
            self.wl1 = place
            self.snd_edge = max(self.snd_edge, acked + (segment.window << self.snd_scale))
        return True

    def _advance(self, acked: int, now: float) -> None:
        self.snd_una = acked
        self.duplicates = 0
        self.rto = FIRST_RTO
        self.retransmit_at = None
        if self.snd_una < self.snd_nxt:
            if self.snd_una < self.recover:
                self._retransmit(now)
            self._await_ack(now)
        if self.closing and self.snd_una > self.fin_place:
            if self.state == "FIN-WAIT-1":
                self.state = "FIN-WAIT-2"
            elif self.state == "CLOSING":
                self._wait(now)
            elif self.state == "LAST-ACK":
                self._forget()

    def _wait(self, now: float) -> None:
        self.state = "TIME-WAIT"
        self.gone_at = now + TIME_WAIT_SECONDS

    def _take_payload(self, segment: Segment, place: int, now: float) -> None:
        if not segment.length or self.state == "CLOSED":
            return
        data = segment.payload[: max(0, self.rcv_edge - place)]
        if data:
            known = self.early.get(place, b"")
            self.early[place] = max(known, data, key=len)
        if segment.flags & FIN and len(data) == len(segment.payload):
            self.early_fin = place + len(data)
        in_order = place <= self.rcv_nxt < place + segment.length
        self._join()
        if self.reading:
            self.consumed = len(self.received)
        if self.early_fin == self.rcv_nxt and not self.fin_received:
            self._take_fin(now)
        elif in_order and self.ack_delay and not self.early:
            self.ack_at = now + self.ack_delay if self.ack_at is None else self.ack_at
        else:
            self._ack_now(now)

    def _join(self) -> None:
        """Move what has become whole into the stream."""
        for place in sorted(self.early):
            if place > self.rcv_nxt:
                break
            data = self.early.pop(place)[self.rcv_nxt - place :]
            self.received += data
            self.rcv_nxt += len(data)

    def _take_fin(self, now: float) -> None:
        self.fin_received = True
        self.rcv_nxt += 1
        self.rcv_edge = max(self.rcv_edge, self.rcv_nxt)
        if self.state == "ESTABLISHED":
            self.state = "CLOSE-WAIT"
        elif self.state == "FIN-WAIT-1":
            self.state = "CLOSING"
        elif self.state == "FIN-WAIT-2":
            self._wait(now)
        self._ack_now(now)

# cython: annotation_typing=False
"""
Resets: what becomes, at a take-over and after it, of connections that the guest has not followed.

To either end an RST whose SEQ is exactly what that end expects next, which it takes at once (RFC 5961 section 3).
Where that isn't known, or an RST gets lost, the end's next segment says it: an RST with SEQ = SEG.ACK answers each
(RFC 9293 section 3.10.7), a challenge ACK too. A client that only downloads sends none any more, so each is asked by a
segment that it can't accept, as a keep-alive does (section 3.8.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.acknowledgments import pseudo_header
from colo_twisted.packets.checksum import ones_complement_sum
from colo_twisted.packets.ip import PROTOCOL_TCP, V4_CHECKSUM_AT, V4_HEADER
from colo_twisted.packets.rewriting.edits import Edits
from colo_twisted.packets.rewriting.followed import (
    CLIENT_SEEN,
    OPENING,
    PROPOSED,
    V4_KEY,
    V6_KEY,
    Followed,
    reversed_key,
)
from colo_twisted.packets.rewriting.following import Following
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from colo_twisted.packets.tcp import ACK, CHECKSUM_AT, HEADER, RST, SYN

OLD_SECONDS = 8000.0  # Linux's keep-alive speaks after 7200 s of silence, and gives up 675 s later
MOST_NEW = 1 << 18  # connections; beyond, old ones that aren't known can't be told from new ones any more
AT_ONCE = 512  # connections that one turn of the iterator resets

NO_ACK = -1
_FARTHEST = 255  # hops: no way is longer, and RFC 5082 asks for it
_DONT_FRAGMENT = 0x4000
_TYPE_IPV4 = b"\x08\x00"
_V4_FIRST = struct.pack(">BBHHHBBH", 0x45, 0, V4_HEADER + HEADER, 0, _DONT_FRAGMENT, _FARTHEST, PROTOCOL_TCP, 0)
_V6_FIRST = struct.pack(">IHBB", 6 << 28, HEADER, PROTOCOL_TCP, _FARTHEST)
_after_ports = struct.Struct(">IIBBHHH").pack


def reset(link: bytes, key: bytes, seq: int, ack: int = NO_ACK) -> bytes:
    """
    An Ethernet packet with an RST, with RST and ACK if there is an ``ack``.

    ``link`` is the Ethernet header with its tags, ``key`` the connection's (``Headers.connection_key``), both in the
    direction in which the packet is to go.
    """
    return _segment(link, key, seq, 0 if ack == NO_ACK else ack, RST if ack == NO_ACK else RST | ACK)


def question(link: bytes, key: bytes, seq: int, ack: int) -> bytes:
    """Likewise, a segment without bytes that an end which expects more than ``seq`` answers with an ACK."""
    return _segment(link, key, seq, ack, ACK)


def _segment(link: bytes, key: bytes, seq: int, ack: int, flags: int) -> bytes:
    v4 = link.endswith(_TYPE_IPV4)
    ports = len(key) - 4
    addresses = len(key) - (V4_KEY if v4 else V6_KEY)
    tcp = bytearray(key[ports:] + _after_ports(seq, ack, HEADER << 2, flags, 0, 0, 0))
    ip = bytearray((_V4_FIRST if v4 else _V6_FIRST) + key[addresses:ports])
    if v4:
        fields.put_u16(ip, V4_CHECKSUM_AT, ~ones_complement_sum(bytes(ip)) & 0xFFFF)
    fields.put_u16(tcp, CHECKSUM_AT, ~ones_complement_sum(pseudo_header(ip, 0, HEADER) + bytes(tcp)) & 0xFFFF)
    return link + bytes(ip) + bytes(tcp)


def turned_link(link: bytes) -> bytes:
    """An Ethernet header, its tags with it, for the other direction."""
    return link[6:12] + link[:6] + link[12:]


class Resets:
    """
    Which connections are reset since a take-over, and the resets that they get there and then.

    Before ``begin`` none is. Connections that aren't known count as unprotected, having been opened before anybody
    followed them: for OLD_SECONDS, unless a checkpoint had made all of the guest the primary's, and except those
    whose SYN came since.
    """

    __slots__ = ("_counters", "_following", "_most_new", "_new", "_until", "active")

    def __init__(self, following: Following, counters: RewriterCounters, most_new: int = MOST_NEW) -> None:
        self.active = False
        self._following = following
        self._counters = counters
        self._new: set[bytes] | None = None  # begun since; None: what isn't known is left alone
        self._until = 0.0
        self._most_new = most_new

    def begin(self, now: float) -> None:
        """The take-over."""
        self.active = True
        if not self._following.all_followed:
            self._new = set()
            self._until = now + OLD_SECONDS

    def resume(self) -> None:
        """The take-over was in the life of a process before this one, which knew the new ones."""
        self.active = True

    def opens(self, key: bytes) -> None:
        """A SYN of either end."""
        if self._new is not None:
            if len(self._new) < self._most_new:
                self._new.add(key)
            else:
                self._new = None

    def concerns_unknown(self, key: bytes, now: float) -> bool:
        """Whether a connection that isn't in the table is one to be reset."""
        if self._new is None:
            return False
        if now >= self._until:
            self._new = None
            return False
        return key not in self._new

    def concerns(self, known: Followed) -> bool:
        """Whether a connection of the table is: unless both ends have finished, an RST may not have been taken."""
        return self.active and known.unprotected and known.state != PROPOSED and not known.over()

    def turns_client_away(
        self, edits: Edits, key: bytes, known: Followed | None, now: float, answers: list[bytes]
    ) -> bool:
        """Whether a client's segment is of a connection that is reset: it doesn't go on, and is answered by an RST."""
        headers = edits.headers
        if headers.flags & (ACK | RST) != ACK or not self._refuses(key, known, now):
            return False  # an RST is never answered; what has no ack begins a connection, or is dropped by the guest
        if known is not None and known.state == OPENING and headers.ack == sequence.add(known.isn, 1):
            known.unprotected = False  # it answers this guest's own SYN: the primary has had no part in it
            return False
        self._turn_away(edits, answers)
        self._counters.resets_to_client += 1
        return True

    def turns_guest_away(
        self, edits: Edits, key: bytes, known: Followed | None, now: float, answers: list[bytes]
    ) -> bool:
        """As turns_client_away; a segment of the guest's: without an ack, or an RST, it draws no answer."""
        flags = edits.headers.flags
        if (known is None and flags & RST) or not self._refuses(key, known, now):
            return False
        if flags & (ACK | RST) == ACK:
            self._turn_away(edits, answers)
            self._counters.resets_to_guest += 1
        else:
            edits.drop()
            self._counters.dropped_unprotected += 1
        return True

    def turns_fragment_away(
        self, incoming: bool, edits: Edits, key: bytes, known: Followed | None, now: float, answers: list[bytes]
    ) -> bool:
        """As those two, of a fragment that has the TCP header; one that opens a connection goes on."""
        if edits.headers.flags & SYN:
            return False
        if incoming:
            return self.turns_client_away(edits, key, known, now, answers)
        return self.turns_guest_away(edits, key, known, now, answers)

    def _refuses(self, key: bytes, known: Followed | None, now: float) -> bool:
        if known is None:
            return self.concerns_unknown(key, now)
        if not self.concerns(known):
            return False
        self._following.use(known, now)
        return True

    def _turn_away(self, edits: Edits, answers: list[bytes]) -> None:
        edits.drop()
        self._counters.dropped_unprotected += 1
        headers = edits.headers
        key = reversed_key(headers.connection_key(edits.data), headers.version)
        answers.append(reset(turned_link(edits.link()), key, headers.ack))

    def at_take_over(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """What resets the unprotected connections, AT_ONCE a time: packets for the guest, packets for the network."""
        keys = self._following.unprotected()
        for start in range(0, len(keys), AT_ONCE):
            for_guest: list[bytes] = []
            for_client: list[bytes] = []
            for key in keys[start : start + AT_ONCE]:
                known = self._following.get(key)
                if known is not None and self.concerns(known) and known.link:
                    self._add_both(known, for_guest, for_client)
            yield for_guest, for_client

    def _add_both(self, known: Followed, for_guest: list[bytes], for_client: list[bytes]) -> None:
        key, link = known.key, known.link
        if known.rcv_known:
            for_guest.append(reset(turned_link(link), turned_key(key, link), known.rcv_nxt))
            self._counters.resets_to_guest += 1
        elif known.state == OPENING:  # in SYN-SENT it is the ack that counts (RFC 9293 section 3.10.7.3)
            for_guest.append(reset(turned_link(link), turned_key(key, link), 0, sequence.add(known.isn, 1)))
            self._counters.resets_to_guest += 1
        if not known.learnt:
            return
        newest = known.sent
        if known.seen & CLIENT_SEEN:
            newest = known.client_ack
            for_client.append(reset(link, key, sequence.add(newest, -known.offset)))
            self._counters.resets_to_client += 1
        if known.rcv_known:
            for_client.append(question(link, key, sequence.add(newest, -known.offset - 1), known.rcv_nxt))


def turned_key(key: bytes, link: bytes) -> bytes:
    """The key of the other direction of a connection with such an Ethernet header."""
    return reversed_key(key, 4 if link.endswith(_TYPE_IPV4) else 6)

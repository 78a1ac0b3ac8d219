"""A secondary's question for a neighbour's address goes out, if the primary's guest could have asked it."""

from __future__ import annotations

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.comparing.questions import MOST_ADDRESSES, Questions
from colo_twisted.packets.headers import Headers
from tests.support.segments import ACK, SYN, Address, Segment

MAC, OTHER_MAC, BROADCAST = "52:54:00:00:00:02", "52:54:00:00:00:03", "ff:ff:ff:ff:ff:ff"
GUEST, GUEST_V6 = Address.of(MAC, "10.0.0.2", 80), Address.of(MAC, "fd00::2", 80)
CLIENT, CLIENT_V6 = (Address.of("52:54:00:00:00:01", ip, 40000) for ip in ("10.0.0.1", "fd00::1"))
OPENING = [
    Segment(100, 500, SYN | ACK).packet(GUEST, CLIENT),
    Segment(100, 500, SYN | ACK).packet(GUEST_V6, CLIENT_V6),
]


def arp(
    op: int = 1,
    mac: str = MAC,
    sender: str = MAC,
    ip: str = "10.0.0.2",
    asked: str = "10.0.0.1",
    tag: int | None = None,
) -> bytes:
    ethernet = Ether(src=mac, dst=BROADCAST)
    if tag is not None:
        ethernet /= Dot1Q(vlan=tag)
    return bytes(ethernet / ARP(op=op, hwsrc=sender, psrc=ip, pdst=asked))


def solicitation(ip: str = "fd00::2", mac: str = MAC) -> bytes:
    return bytes(
        Ether(src=mac, dst="33:33:ff:00:00:01") / IPv6(src=ip, dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fd00::1")
    )


def asked(packet: bytes, opening: list[bytes] = OPENING) -> bool:
    """Whether a comparer lets it out that has seen the primary's guest open two connections."""
    comparer = Comparer(Limits())
    comparer.receive_primary(Batch.from_packets(opening), 0.0)
    released = comparer.receive_secondary(Batch.from_packets([packet]), 0.0)
    if released is None:
        assert comparer.tally.secondary_questions == 0
        return False
    assert list(released.packets()) == [packet]
    assert comparer.tally.secondary_questions == 1
    return True


@pytest.mark.parametrize("packet", [arp(), arp(tag=7), solicitation()], ids=["ARP", "VLAN", "IPv6"])
def test_a_question_from_the_addresses_of_the_primarys_guest_goes_out(packet: bytes) -> None:
    assert asked(packet)


WRONG = {
    "an answer": arp(op=2),
    "another MAC": arp(mac=OTHER_MAC, sender=OTHER_MAC),
    "another sender than the frame's": arp(sender=OTHER_MAC),
    "another IP": arp(ip="10.0.0.9"),
    "a probe": arp(ip="0.0.0.0"),
    "an announcement": arp(asked="10.0.0.2"),
    "cut short": arp()[:40],
    "not ARP": arp()[:12] + b"\x80\x35" + arp()[14:],
    "another IPv6 address": solicitation(ip="fd00::9"),
    "duplicate address detection": solicitation(ip="::"),
    "IPv6 from another MAC": solicitation(mac=OTHER_MAC),
    "an advertisement": bytes(
        Ether(src=MAC, dst=BROADCAST) / IPv6(src="fd00::2", dst="fd00::1") / ICMPv6ND_NA(tgt="fd00::2")
    ),
}


@pytest.mark.parametrize("packet", WRONG.values(), ids=WRONG)
def test_nothing_else_of_the_secondarys_does(packet: bytes) -> None:
    assert not asked(packet)


def test_before_the_primarys_guest_has_sent_anything_no_question_goes_out() -> None:
    assert not asked(arp(), opening=[arp()])


def test_while_the_secondary_is_not_followed_no_question_goes_out() -> None:
    comparer = Comparer(Limits())
    comparer.receive_primary(Batch.from_packets(OPENING), 0.0)
    comparer.flows.open(0.0)
    comparer.finish()
    assert comparer.receive_secondary(Batch.from_packets([arp()]), 0.0) is None


def test_addresses_are_remembered_within_a_bound() -> None:
    questions, headers = Questions(), Headers()
    for number in range(2 * MOST_ADDRESSES):
        guest = Address(GUEST.mac, number.to_bytes(4, "big"), 80)
        packet = Segment(100, 500, SYN | ACK).packet(guest, CLIENT)
        headers.parse(packet, 0, len(packet))
        questions.learn(packet, headers)
    last = arp(ip="0.0.7.255")
    headers.parse(last, 0, len(last))
    assert not questions.may_be_asked(last, headers)

"""What an announcement says, to scapy and byte by byte; tests/system/test_announce.py asks the kernel."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from colo_twisted.packets.announce import (
    Address,
    address_announcements,
    announcement,
    arp_announcement,
    neighbour_advertisement,
    tags_for,
    vlans_of,
)

MAC = bytes.fromhex("525400123456")
SAID = "52:54:00:12:34:56"
V4, V6 = (ipaddress.ip_address(text).packed for text in ("10.9.0.2", "fd09::2"))

macs = st.binary(min_size=6, max_size=6)
vlans = st.lists(st.integers(0, 4095), max_size=3).map(tuple)


def text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


def mac_text(address: bytes) -> str:
    return address.hex(":")


def tagged(packet: Packet, vlans: tuple[int, ...]) -> Packet:
    """With tags as tags_for makes them, as scapy does."""
    for number, vlan in enumerate(vlans):
        packet.lastlayer().type = 0x8100 if number == len(vlans) - 1 else 0x88A8
        packet /= Dot1Q(vlan=vlan)
    return packet


# RARP


def test_it_is_a_broadcast_of_the_guests_own_address() -> None:
    packet = Ether(announcement(MAC))
    assert (packet.dst, packet.src, packet.type) == ("ff:ff:ff:ff:ff:ff", SAID, 0x8035)
    asked = ARP(bytes(packet.payload))
    assert (asked.hwtype, asked.ptype, asked.hwlen, asked.plen, asked.op) == (1, 0x0800, 6, 4, 3)
    assert (asked.hwsrc, asked.hwdst) == (SAID,) * 2
    assert (asked.psrc, asked.pdst) == ("0.0.0.0",) * 2


def test_it_is_the_smallest_packet_that_ethernet_carries_and_its_padding_is_zero() -> None:
    packet = announcement(MAC)
    assert len(packet) == 60
    assert packet[42:] == bytes(18)


def test_as_qemu_sends_it() -> None:
    assert announcement(MAC).hex() == (
        "ffffffffffff525400123456803500010800060400035254001234560000000052540012345600000000" + "00" * 18
    )


@given(macs, vlans)
def test_in_a_vlan_it_is_the_same_behind_the_tags(mac: bytes, vlans: tuple[int, ...]) -> None:
    plain, packet = announcement(mac), announcement(mac, tags_for(vlans))
    assert packet == plain[:12] + tags_for(vlans) + plain[12:]


# ARP and neighbour discovery, as scapy builds them


@given(macs, macs, st.binary(min_size=4, max_size=4), vlans)
def test_an_arp_announcement(hardware: bytes, source: bytes, ip: bytes, vlans: tuple[int, ...]) -> None:
    said, sender = mac_text(hardware), mac_text(source)
    arp = ARP(op="who-has", hwsrc=said, psrc=text(ip), hwdst="00:00:00:00:00:00", pdst=text(ip))
    expected = bytes(tagged(Ether(dst="ff:ff:ff:ff:ff:ff", src=sender, type=0x0806), vlans) / arp)
    packet = arp_announcement(Address(ip, hardware, source, tags_for(vlans)))
    assert packet == expected.ljust(60 + 4 * len(vlans), b"\0")


@given(macs, macs, st.binary(min_size=16, max_size=16), vlans, st.booleans())
def test_a_neighbour_advertisement(
    hardware: bytes, source: bytes, ip: bytes, vlans: tuple[int, ...], router: bool
) -> None:
    ether = tagged(Ether(dst="33:33:00:00:00:01", src=mac_text(source), type=0x86DD), vlans)
    advertisement = ICMPv6ND_NA(tgt=text(ip), R=int(router), S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac_text(hardware))
    expected = bytes(ether / IPv6(src=text(ip), dst="ff02::1", hlim=255) / advertisement)
    assert neighbour_advertisement(Address(ip, hardware, source, tags_for(vlans), router)) == expected


def test_each_address_has_its_kind_of_packet() -> None:
    both = [Address(V6, MAC, MAC), Address(V4, MAC, MAC)]
    assert list(address_announcements(both)) == [neighbour_advertisement(both[0]), arp_announcement(both[1])]


@given(vlans)
def test_tags_name_their_vlans(vlans: tuple[int, ...]) -> None:
    assert vlans_of(tags_for(vlans)) == vlans


def test_what_a_tag_says_of_priority_is_not_its_vlan() -> None:
    assert vlans_of(bytes.fromhex("8100f007")) == (7,)

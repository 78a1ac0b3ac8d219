"""What an announcement says, to scapy and byte by byte."""

from __future__ import annotations

from scapy.layers.l2 import ARP, Ether

from colo_twisted.packets.announce import announcement

MAC = bytes.fromhex("525400123456")


def test_it_is_a_broadcast_of_the_guests_own_address() -> None:
    packet = Ether(announcement(MAC))
    assert (packet.dst, packet.src, packet.type) == ("ff:ff:ff:ff:ff:ff", "52:54:00:12:34:56", 0x8035)
    asked = ARP(bytes(packet.payload))
    assert (asked.hwtype, asked.ptype, asked.hwlen, asked.plen, asked.op) == (1, 0x0800, 6, 4, 3)
    assert (asked.hwsrc, asked.hwdst) == ("52:54:00:12:34:56",) * 2
    assert (asked.psrc, asked.pdst) == ("0.0.0.0",) * 2


def test_it_is_the_smallest_packet_that_ethernet_carries_and_its_padding_is_zero() -> None:
    packet = announcement(MAC)
    assert len(packet) == 60
    assert packet[42:] == bytes(18)


def test_as_qemu_sends_it() -> None:
    assert announcement(MAC).hex() == (
        "ffffffffffff525400123456803500010800060400035254001234560000000052540012345600000000" + "00" * 18
    )

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

from colo_twisted.ctl.listing import (
    STATES,
    connection_line,
    connections_head,
    divergence_lines,
    hex_dump,
    packet_lines,
    pcap_file,
    pcap_numbers,
    signed,
)
from colo_twisted.ctl.words import clock_time, plain
from colo_twisted.netfilter import rewriter
from colo_twisted.packets.comparing.protection import NAMES
from tests.ctl.canned import DIVERGENCE, NOON

FOLLOWED = {
    "connection": "TCP 10.0.0.2:80 to 10.0.0.1:40000",
    "state": "followed",
    "held-packets": 1_234,
    "held-bytes": 17_280,
    "idle": 61.5,
}
REWRITTEN = {
    "connection": "TCP 10.0.0.2:80 to 10.0.0.1:40000",
    "state": "open",
    "sequence-offset": 4_294_967_295,
    "timestamp-offset": 7,
}
PRIMARYS, SECONDARYS = (bytes([number]) * size for number, size in ((1, 60), (2, 1514)))
WITH_BOTH = {
    **DIVERGENCE,
    "primary": base64.b64encode(PRIMARYS).decode(),
    "secondary": base64.b64encode(SECONDARYS).decode(),
}
WITH_ONE = {**DIVERGENCE, "number": 18, "ago": 2.5, "secondary": WITH_BOTH["secondary"]}


def test_a_primarys_connection() -> None:
    assert connections_head(FOLLOWED) == "STATE         HELD PKTS / BYTES         IDLE  CONNECTION"
    line = connection_line(FOLLOWED, plain)
    assert line == "followed        1,234 / 17.3 KB    1 min 1 s  TCP 10.0.0.2:80 to 10.0.0.1:40000"
    assert connection_line({**FOLLOWED, "held-packets": 0}, plain).split()[:2] == ["followed", "-"]


def test_a_secondarys_connection() -> None:
    assert connections_head(REWRITTEN) == "STATE          SEQ OFFSET    TS OFFSET  CONNECTION"
    line = connection_line(REWRITTEN, plain)
    assert line == "open                   -1            7  TCP 10.0.0.2:80 to 10.0.0.1:40000"


@pytest.mark.parametrize(
    ("number", "meant"),
    [(0, 0), (7, 7), (0x7FFFFFFF, 0x7FFFFFFF), (0x80000000, -0x80000000), (0xFFFFFFFF, -1), (4_294_965_979, -1_317)],
)
def test_a_number_that_has_wrapped_is_a_negative_one(number: int, meant: int) -> None:
    assert signed(number) == meant


def test_every_state_that_a_comparer_or_rewriter_tells_is_known() -> None:
    assert set(NAMES) | set(rewriter._STATES.values()) < set(STATES)
    assert len(set(STATES)) == len(STATES)


def test_columns_stand_below_their_heads() -> None:
    for row in (FOLLOWED, REWRITTEN):
        assert connections_head(row).index("CONNECTION") == connection_line(row, plain).index("TCP")


def test_states_of_connections_have_colours() -> None:
    line = connection_line({**FOLLOWED, "state": "diverged"}, lambda text, colour: f"<{colour}>{text}</>")
    assert line.startswith("<red>diverged    </>")


def test_a_divergence_and_its_details() -> None:
    when = clock_time(NOON - 60, NOON)
    assert divergence_lines(DIVERGENCE, NOON) == [
        f"#17 {when} payload of TCP 10.0.0.2:80 to 10.0.0.1:40000 at sequence number 4711:"
        " the payloads differ from byte 12 on",
        "    of comp0, 12 bytes of the payload are alike",
    ]
    (_, details) = divergence_lines(DIVERGENCE, NOON, {"primary": 3, "secondary": 4})
    assert details.endswith(", primary's is packet 3, secondary's is packet 4")
    bare = {"number": 1, "kind": "memory", "connection": "UDP", "description": "no room"}
    assert len(divergence_lines(bare, NOON)) == 1


def test_packets_as_hex_dumps() -> None:
    lines = list(packet_lines(WITH_BOTH))
    assert lines[:2] == ["    the primary's, 60 bytes:", f"      0000  {'01 ' * 15}01  |{'.' * 16}|"]
    assert "    the secondary's, 1514 bytes:" in lines
    assert "    there is no packet of the primary" in list(packet_lines(WITH_ONE))
    assert list(packet_lines(DIVERGENCE)) == ["    there is no packet of the primary nor the secondary"]


def test_a_hex_dumps_last_line_is_as_wide_as_the_others() -> None:
    first, last = hex_dump(b"GET / HTTP/1.1\r\n\r\n")
    assert first == "0000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|"
    assert last.index("|") == first.index("|")


def test_a_pcap_file_has_the_packets_in_order_at_their_times() -> None:
    found = [WITH_BOTH, DIVERGENCE, WITH_ONE]
    data = pcap_file(found, NOON)
    assert struct.unpack("=I", data[:4]) == (0xA1B2C3D4,)
    assert pcap_numbers(found) == [{"primary": 1, "secondary": 2}, {}, {"secondary": 3}]


def test_another_program_reads_the_pcap_file(tmp_path: Path) -> None:
    path = tmp_path / "d.pcap"
    path.write_bytes(pcap_file([WITH_BOTH, WITH_ONE], NOON))
    read = list(RawPcapReader(str(path)))
    assert [packet for packet, _ in read] == [PRIMARYS, SECONDARYS, SECONDARYS]
    assert [meta.sec + meta.usec / 1e6 for _, meta in read] == [NOON - 60, NOON - 60, NOON - 2.5]
    assert Ether(read[0][0]).src == "01:01:01:01:01:01"

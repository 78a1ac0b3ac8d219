"""pcap files, read back by scapy."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapReader

from colo_twisted.packets.batch import MAX_FRAME, Batch
from colo_twisted.packets.pcap import file_header, records
from tests.support.strategies import Frame, batch_of_frames, packets, streams


def read_back(file: bytes) -> tuple[RawPcapReader, list[tuple[bytes, float, int]]]:
    """scapy's reader, and each record: bytes kept, seconds since the epoch, length of the packet."""
    reader = RawPcapReader(io.BytesIO(file))
    read = []
    with contextlib.suppress(EOFError):
        while True:
            data, meta = reader._read_packet(MAX_FRAME)
            read.append((data, meta.sec + meta.usec / 1_000_000, meta.wirelen))
    return reader, read


@given(streams(), st.integers(0, (1 << 32) - 1), st.integers(0, 999_999))
def test_scapy_reads_each_packet_with_its_time(stream: tuple[bool, list[Frame]], seconds: int, micro: int) -> None:
    vnet_hdr, frames = stream
    when = seconds + micro / 1_000_000
    _, read = read_back(file_header(1 << 17) + records(batch_of_frames(frames, vnet_hdr), when, 1 << 17))
    assert [data for data, _, _ in read] == [frame.packet for frame in frames]
    assert [length for _, _, length in read] == [len(frame.packet) for frame in frames]
    assert all(abs(stamp - when) <= 2e-6 for _, stamp, _ in read)


@given(st.lists(packets(), max_size=5), st.integers(1, 300))
def test_a_record_keeps_no_more_than_the_snap_length_and_says_how_long_it_was(sent: list[bytes], snap: int) -> None:
    _, read = read_back(file_header(snap) + records(Batch.from_packets(sent), 1.5, snap))
    assert [data for data, _, _ in read] == [packet[:snap] for packet in sent]
    assert [length for _, _, length in read] == [len(packet) for packet in sent]


@pytest.mark.parametrize("snap", [1, 65536, 69632])
def test_the_header_says_ethernet_and_the_snap_length(snap: int) -> None:
    reader, read = read_back(file_header(snap))
    assert len(file_header(snap)) == 24
    assert (reader.linktype, reader.snaplen, reader.nano) == (1, snap, False)
    assert read == []


def test_an_empty_batch_makes_no_record() -> None:
    assert records(Batch.from_packets([]), 1.0, 65536) == b""


def test_the_microseconds_stay_below_a_million() -> None:
    when = 1_700_000_000.9999999
    _, [(_, stamp, _)] = read_back(file_header(64) + records(Batch.from_packets([bytes(14)]), when, 64))
    assert abs(stamp - when) <= 2e-6

"""The record: what scapy reads in it is what passed; whatever happens to the file, the frames pass."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import RawPcapReader
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.interfaces import Direction
from colo_twisted.netfilter.dump import DUMP, DumpProperties, FilterDump
from colo_twisted.options import OptionError, StartError, declare
from colo_twisted.options.keyval import split
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.vnet import with_vnet_headers
from tests.support.fakes import FakeMachine, batch_of, packet
from tests.support.house import House, make

TX, RX = Direction.TX, Direction.RX
FRAMES = batch_of(packet("one"), packet("two", 1514))


class Now:
    """The clock on the wall."""

    seconds = 1_700_000_000.25

    def time(self) -> float:
        return self.seconds


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    clock = Now()
    monkeypatch.setattr("colo_twisted.netfilter.dump.time", clock)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.pcap"


def a_dump(path: Path | str, properties: str = "") -> FilterDump:
    dump: FilterDump = make(DUMP, f"id=d0,netdev=hn0,file={path}{properties}", FakeMachine())
    return dump


OpenDump = Callable[..., FilterDump]


@pytest.fixture
def an_open_dump() -> Iterator[OpenDump]:
    """What opens a dump for a path and further properties."""
    opened: list[FilterDump] = []

    def open_dump(path: Path, properties: str = "") -> FilterDump:
        opened.append(a_dump(path, properties))
        opened[-1].open()
        return opened[-1]

    yield open_dump
    for dump in opened:
        dump.close()


def read(path: Path) -> list[tuple[bytes, Any]]:
    """Each packet with what scapy says about it."""
    with RawPcapReader(str(path)) as reader:
        assert reader.linktype == 1  # Ethernet
        return list(reader)


def counts(dump: FilterDump) -> tuple[int, int]:
    return dump.counters.recorded, dump.counters.not_recorded


# the record


def test_packets_of_both_directions_are_recorded_in_order_and_pass(path: Path) -> None:
    house = House(
        "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
        f" -object filter-dump,id=d0,netdev=hn0,file={path}"
    ).start()
    answer = batch_of(packet("answer"))
    house.netdev("hn0").receive(FRAMES)
    house.netdev("guest").receive(answer)
    assert house.netdev("guest").sent == [FRAMES]
    assert house.netdev("hn0").sent == [answer]
    house.machine.stopService()
    assert [data for data, _ in read(path)] == [*FRAMES.packets(), packet("answer")]
    assert counts(house.object("d0")) == (3, 0)


def test_each_packet_is_stamped_with_the_time_at_which_it_passed(path: Path, now: Now, an_open_dump: OpenDump) -> None:
    dump = an_open_dump(path)
    dump.receive(FRAMES, TX)
    now.seconds += 1.5
    dump.receive(batch_of(packet("three")), TX)
    assert [(meta.sec, meta.usec) for _, meta in read(path)] == [
        (1_700_000_000, 250_000),
        (1_700_000_000, 250_000),
        (1_700_000_001, 750_000),
    ]


def test_unless_set_maxlen_is_qemus(path: Path, an_open_dump: OpenDump) -> None:
    an_open_dump(path)
    with RawPcapReader(str(path)) as reader:
        assert reader.snaplen == 65536


def test_maxlen_cuts_what_is_kept_and_the_packets_own_length_stays(path: Path, an_open_dump: OpenDump) -> None:
    dump = an_open_dump(path, ",maxlen=60")
    assert dump.receive(FRAMES, TX) is FRAMES
    records = read(path)
    assert [data for data, _ in records] == [packet("one"), packet("two", 1514)[:60]]
    assert [(meta.caplen, meta.wirelen) for _, meta in records] == [(17, 17), (60, 1514)]
    with RawPcapReader(str(path)) as reader:
        assert reader.snaplen == 60


@pytest.mark.parametrize("size", [0, 10, 12, 20])
def test_vnet_headers_are_left_out(path: Path, size: int, an_open_dump: OpenDump) -> None:
    one = packet("one")
    frame = (size + len(one)).to_bytes(4, "big") + size.to_bytes(4, "big") + bytes(size) + one
    dump = an_open_dump(path)
    dump.receive(Batch(frame, [0, len(frame)], vnet_hdr=True), TX)
    dump.receive(with_vnet_headers(FRAMES), RX)
    assert [data for data, _ in read(path)] == [one, *FRAMES.packets()]


def test_it_hands_vnet_headers_on_as_they_are(path: Path, an_open_dump: OpenDump) -> None:
    dump = an_open_dump(path)
    assert dump.vnet_hdr_support
    batch = with_vnet_headers(FRAMES)
    assert dump.receive(batch, TX) is batch


def test_off_records_nothing(path: Path) -> None:
    house = House(f"-netdev fake,id=hn0 -object filter-dump,id=d0,netdev=hn0,file={path},status=off").start()
    house.netdev("hn0").receive(FRAMES)
    assert read(path) == []


# the file


def test_the_file_is_made_anew_for_its_owner_only(path: Path, an_open_dump: OpenDump) -> None:
    path.write_bytes(b"what was there before, and longer than a header of a pcap file")
    path.chmod(0o600)
    an_open_dump(path)
    assert read(path) == []
    path.unlink()
    an_open_dump(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_relative_path_means_where_the_program_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dump = a_dump("record.pcap")
    monkeypatch.chdir("/")
    dump.open()
    assert (tmp_path / "record.pcap").exists()


@pytest.mark.parametrize("file", ["record.pcap", "/record.pcap", "{folder}/record.pcap"])
def test_a_folder_that_exists_is_taken(file: str, tmp_path: Path) -> None:
    DumpProperties(id="d0", netdev="hn0", file=file.format(folder=tmp_path)).check_host()


def test_a_folder_that_does_not_exist_is_an_error_that_names_it(tmp_path: Path) -> None:
    properties = declare.parse(DumpProperties, split(f"id=d0,netdev=hn0,file={tmp_path}/no/record.pcap"))
    with pytest.raises(OptionError, match=rf"^property 'file': there is no folder {tmp_path}/no$"):
        properties.check_host()


@pytest.mark.parametrize(("file", "why"), [("/", "Is a directory"), ("/dev/full", "No space left on device")])
def test_a_file_that_cannot_be_opened_or_begun_is_an_error_that_says_why(file: str, why: str) -> None:
    open_before = os.listdir("/proc/self/fd")
    dump = a_dump(file)
    with pytest.raises(StartError, match=rf"^-object filter-dump,id=d0: property 'file': {file}: {why}$"):
        dump.open()
    assert os.listdir("/proc/self/fd") == open_before
    assert dump.receive(FRAMES, TX) is FRAMES


def test_before_the_file_is_open_and_after_the_end_packets_pass_unrecorded(path: Path) -> None:
    dump = a_dump(path)
    dump.close()
    assert dump.receive(FRAMES, TX) is FRAMES
    dump.open()
    dump.close()
    dump.close()
    assert dump.receive(FRAMES, TX) is FRAMES
    assert counts(dump) == (0, 4)
    assert read(path) == []


# a disk that is full, or worse


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond size bytes: the kernel writes what fits, then refuses."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# a pcap file's header is 24 bytes long, a record's 16, the first batch's record 16 + 17 + 16 + 1514
@pytest.mark.parametrize("more", [0, 1, 16, 100, 1562], ids=lambda more: f"room for {more} bytes more")
def test_a_full_disk_ends_the_record_at_a_whole_batch_and_the_frames_pass(
    path: Path, more: int, an_open_dump: OpenDump
) -> None:
    dump = an_open_dump(path)
    with capturedLogs() as logs, room_for(24 + 1563 + more):
        passed = [dump.receive(FRAMES, TX) for _ in range(4)]
    assert passed == [FRAMES] * 4
    assert [data for data, _ in read(path)] == list(FRAMES.packets())
    assert counts(dump) == (2, 6)
    lines = [formatEvent(event) for event in logs]
    why = "no space left" if more else os.strerror(errno.EFBIG)
    assert lines == [f"FilterDump d0: {path} can't be written, the record ends here: {why}"]


def test_a_reader_that_goes_away_ends_the_record_and_the_frames_pass(tmp_path: Path, an_open_dump: OpenDump) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    dump = an_open_dump(fifo)
    os.close(reader)
    assert dump.receive(FRAMES, TX) is FRAMES
    assert counts(dump) == (0, 2)


def test_a_file_that_cannot_even_be_closed_raises_nothing(path: Path, an_open_dump: OpenDump) -> None:
    """As on a network's file system, where close() says what could not be written."""
    dump = an_open_dump(path)
    assert dump._fd is not None
    os.close(dump._fd)
    for _ in range(2):
        assert dump.receive(FRAMES, TX) is FRAMES
    dump.close()
    assert counts(dump) == (0, 4)


def test_a_pipe_that_nobody_reads_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StartError, match="No such device or address"):
        a_dump(tmp_path / "pipe").open()


def test_a_pipe_whose_reader_is_stuck_ends_the_record_and_no_frame_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    dump = a_dump(tmp_path / "pipe")
    dump.open()
    for _ in range(100):
        assert dump.receive(FRAMES, TX) is FRAMES
    os.close(reader)
    assert 0 < dump.counters.recorded < 200
    assert dump.counters.recorded + dump.counters.not_recorded == 200

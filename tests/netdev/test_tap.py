"""A TAP in batches: bounded turns, packets that the kernel refuses for now, both forms of frames."""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from colo_twisted.netdev.tap import TURN_BYTES, TURN_FRAMES, Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.vnet import TAP_HEADER_SIZE, with_vnet_headers
from tests.support.fakes import FakeMachine, batch_of, packet
from tests.support.memory_tun import MemoryTun

NO_HEADER = bytes(TAP_HEADER_SIZE)


@pytest.fixture
def tun() -> Iterator[MemoryTun]:
    memory = MemoryTun()
    yield memory
    memory.close()


Maker = Callable[..., Tap]


@pytest.fixture
def make(tun: MemoryTun) -> Iterator[Maker]:
    machine = FakeMachine()
    machine.reactor = MemoryReactorClock()
    taps: list[Tap] = []

    def maker(vnet_hdr: bool = False, open: bool = True, **properties: Any) -> Tap:
        settings: dict[str, Any] = {"id": "hn0", "ifname": "tap7", "script": "", "downscript": "", **properties}
        tap = Tap(TapProperties(**settings), machine, tun)
        taps.append(tap)
        if open:
            tap.open(vnet_hdr)
        return tap

    yield maker
    for tap in taps:
        tap.close()


def far_end(tun: MemoryTun, tap: Tap) -> socket.socket:
    return tun.far_ends[tap.name]


def received(far: socket.socket) -> list[bytes]:
    """All packets that were written to the TAP."""
    packets = []
    while select.select([far], [], [], 0)[0]:
        packets.append(far.recv(1 << 17))
    return packets


def readers(tap: Tap) -> Any:
    return tap._reactor.getReaders()


def writers(tap: Tap) -> Any:
    return tap._reactor.getWriters()


class TestReading:
    def test_a_turn_is_one_batch_in_order(self, make: Maker, tun: MemoryTun) -> None:
        tap, batches = make(), list[Batch]()
        tap.start(batches.append)
        sent = [packet(f"{n}", 60 + n) for n in range(10)]
        for one in sent:
            far_end(tun, tap).send(one)
        tap.doRead()
        assert [list(batch.packets()) for batch in batches] == [sent]
        assert not batches[0].vnet_hdr
        assert tap.counters.frames_in == 10
        assert tap.counters.bytes_in == sum(map(len, sent))

    def test_with_vnet_headers_the_frames_carry_them(self, make: Maker, tun: MemoryTun) -> None:
        tap, batches = make(vnet_hdr=True), list[Batch]()
        tap.start(batches.append)
        header = struct.pack("=BBHHHH", 1, 1, 54, 1448, 34, 16)
        far_end(tun, tap).send(header + packet("big", 3000))
        tap.doRead()
        (batch,) = batches
        assert batch.vnet_hdr
        assert batch.data == struct.pack(">II", 3010, 10) + header + packet("big", 3000)

    def test_a_turn_is_bounded_in_frames(self, make: Maker, tun: MemoryTun) -> None:
        tap, batches = make(), list[Batch]()
        tap.start(batches.append)
        far = far_end(tun, tap)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        for n in range(TURN_FRAMES + 5):
            far.send(packet(f"{n}", 60))
        tap.doRead()
        assert [len(batch) for batch in batches] == [TURN_FRAMES]
        tap.doRead()
        assert [len(batch) for batch in batches] == [TURN_FRAMES, 5]

    def test_a_turn_is_bounded_in_bytes(self, make: Maker, tun: MemoryTun) -> None:
        tap, batches = make(vnet_hdr=True), list[Batch]()
        tap.start(batches.append)
        far = far_end(tun, tap)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        for _ in range(2 + TURN_BYTES // 60_000):
            far.send(NO_HEADER + packet("", 60_000))
        tap.doRead()
        assert TURN_BYTES <= len(batches[0].data) <= TURN_BYTES + 70_000

    def test_nothing_to_read_is_no_batch(self, make: Maker) -> None:
        tap, batches = make(), list[Batch]()
        tap.start(batches.append)
        tap.doRead()
        assert batches == []

    def test_reading_begins_with_start_and_stops_for_a_pause(self, make: Maker) -> None:
        tap = make()
        assert readers(tap) == []
        tap.start(lambda batch: None)
        assert readers(tap) == [tap]
        tap.pause()
        assert readers(tap) == []
        tap.resume()
        assert readers(tap) == [tap]

    def test_a_glance_reads_what_there_is_unless_it_is_not_to_be_read(self, make: Maker, tun: MemoryTun) -> None:
        tap, batches = make(), list[Batch]()
        tap.glance()
        far_end(tun, tap).send(packet("before"))
        tap.glance()
        tap.start(batches.append)
        tap.pause()
        tap.glance()
        assert batches == []
        tap.resume()
        tap.glance()
        tap.glance()
        assert [list(batch.packets()) for batch in batches] == [[packet("before")]]
        tap.close()
        tap.glance()

    def test_a_pause_before_start_holds(self, make: Maker) -> None:
        tap = make()
        tap.pause()
        tap.start(lambda batch: None)
        assert readers(tap) == []
        tap.resume()
        assert readers(tap) == [tap]

    def test_resume_before_start_reads_nothing(self, make: Maker) -> None:
        tap = make()
        tap.resume()
        assert readers(tap) == []

    def test_a_deleted_interface_is_not_read_again(self, make: Maker, tun: MemoryTun) -> None:
        tap = make()
        tap.start(lambda batch: None)
        tun.read_error = errno.EBADFD
        tap.doRead()
        assert readers(tap) == []
        tap.pause()
        tap.resume()
        assert readers(tap) == []


class TestWriting:
    def test_frames_leave_without_their_lengths(self, make: Maker, tun: MemoryTun) -> None:
        tap = make()
        tap.send(batch_of(packet("a"), packet("b")))
        assert received(far_end(tun, tap)) == [packet("a"), packet("b")]
        assert tap.counters.frames_out == 2
        assert tap.counters.bytes_out == 2 * len(packet("a"))

    def test_plain_frames_get_an_empty_header_where_headers_are(self, make: Maker, tun: MemoryTun) -> None:
        tap = make(vnet_hdr=True)
        tap.send(batch_of(packet("a")))
        assert received(far_end(tun, tap)) == [NO_HEADER + packet("a")]

    @pytest.mark.parametrize("size", [0, 10, 12, 20])
    def test_a_header_of_any_size_is_made_to_fit(self, make: Maker, tun: MemoryTun, size: int) -> None:
        tap = make(vnet_hdr=True)
        header = bytes(range(100, 100 + size))
        body = header + packet("a")
        tap.send(Batch(struct.pack(">II", len(body), size) + body, [0, 8 + len(body)], True))
        assert received(far_end(tun, tap)) == [header[:TAP_HEADER_SIZE].ljust(TAP_HEADER_SIZE, b"\0") + packet("a")]

    def test_headers_are_taken_off_where_none_are(self, make: Maker, tun: MemoryTun) -> None:
        tap = make()
        tap.send(with_vnet_headers(batch_of(packet("a"))))
        assert received(far_end(tun, tap)) == [packet("a")]

    def test_a_packet_to_be_cut_is_dropped_by_name_where_no_headers_are(self, make: Maker, tun: MemoryTun) -> None:
        tap = make()
        body = struct.pack("=BBHHHH", 1, 1, 54, 1448, 34, 16) + packet("big", 3000)
        tap.send(Batch(struct.pack(">II", len(body), 10) + body, [0, 8 + len(body)], True))
        assert received(far_end(tun, tap)) == []
        assert tap.counters.dropped_needs_vnet_hdr == 1

    def test_what_the_kernel_refuses_for_now_waits_in_order(self, make: Maker, tun: MemoryTun) -> None:
        tap = make(max_backlog=1 << 20)
        sent = [packet(f"{n}", 1500) for n in range(600)]
        for one in sent[:500]:
            tap.send(batch_of(one))
        assert writers(tap) == [tap]
        waiting = tap.counters.queued
        assert waiting > 0
        tap.send(batch_of(*sent[500:]))
        assert tap.counters.queued == waiting + 100
        got = []
        while writers(tap):
            got += received(far_end(tun, tap))
            tap.doWrite()
        got += received(far_end(tun, tap))
        assert got == sent
        assert tap.counters.frames_out == 600

    def test_beyond_the_bound_frames_are_dropped_by_name(self, make: Maker) -> None:
        tap = make(max_backlog=100_000)
        for _ in range(1000):
            tap.send(batch_of(packet("", 1500)))
        counters = tap.counters
        assert counters.dropped_backlog > 0
        assert counters.queued == 100_000 // 1500
        assert counters.frames_out + counters.queued + counters.dropped_backlog == 1000

    @pytest.mark.parametrize(
        ("number", "counter"), [(5, "dropped_link_down"), (77, "dropped_link_down"), (22, "dropped_refused")]
    )
    def test_errors_drop_that_frame_only(self, make: Maker, tun: MemoryTun, number: int, counter: str) -> None:
        tap = make()
        tun.refused[packet("b")] = number
        tap.send(batch_of(packet("a"), packet("b"), packet("c")))
        assert received(far_end(tun, tap)) == [packet("a"), packet("c")]
        assert getattr(tap.counters, counter) == 1
        assert tap.counters.frames_out == 2

    def test_down_is_told_once_and_up_again_once(self, make: Maker, tun: MemoryTun) -> None:
        tap = make()
        with capturedLogs() as events:
            tun.refused = {packet("a"): errno.EIO, packet("b"): errno.EIO}
            for _ in range(30):
                tap.send(batch_of(packet("a"), packet("b")))
            tun.refused.clear()
            for _ in range(30):
                tap.send(batch_of(packet("c")))
        assert [event["text"].split(",")[0] for event in events] == [
            "TAP tap7 is down",
            "TAP tap7 is up; 60 frames were dropped before",
        ]

    def test_after_close_frames_are_dropped_by_name(self, make: Maker) -> None:
        tap = make(max_backlog=1 << 20)
        for _ in range(500):
            tap.send(batch_of(packet("", 1500)))
        waiting = tap.counters.queued
        tap.close()
        tap.send(batch_of(packet("a")))
        assert tap.counters.dropped_closed == waiting + 1
        assert writers(tap) == []
        assert readers(tap) == []

    def test_losing_the_descriptor_leaves_the_reactor(self, make: Maker) -> None:
        tap = make()
        tap.start(lambda batch: None)
        tap.connectionLost(Failure(ConnectionDone()))
        assert readers(tap) == []


class TestOpening:
    def test_headers_are_there_if_the_rest_of_the_cable_can(self, make: Maker) -> None:
        assert make(vnet_hdr=True, ifname="a").vnet_hdr
        assert not make(vnet_hdr=False, ifname="b").vnet_hdr

    @pytest.mark.parametrize("property", [True, False])
    def test_the_property_decides_over_that(self, make: Maker, property: bool) -> None:
        tap = make(open=False)
        tap.properties = TapProperties(id="hn0", ifname="x", script="", downscript="", vnet_hdr=property)
        tap.open(not property)
        assert tap.vnet_hdr is property

    def test_settings_reach_the_kernel(self, make: Maker, tun: MemoryTun) -> None:
        tap = make(open=False, sndbuf=1 << 20, br="br0")
        tap.address = b"\x52\x54\0\0\0\1"
        tap.open(False)
        tap.set_offloads(True)
        assert tun.send_buffers == {tap.fileno(): 1 << 20}
        assert tun.offloads == {tap.fileno(): True}
        assert tun.bridges == {"tap7": "br0"}
        assert tun.addresses == {"tap7": tap.address}

    def test_a_busy_name_is_one_line(self, make: Maker) -> None:
        make()
        with pytest.raises(StartError, match=r"^-netdev tap,id=hn0: TAP tap7: .*busy.*another process has it open"):
            make()

    def test_a_missing_bridge_leaves_nothing_open(self, make: Maker) -> None:
        tap = make(open=False, br="nosuch")
        with pytest.raises(StartError, match="setting up tap7"):
            tap.open(False)
        assert tap.fileno() == -1

    def test_a_failing_script_leaves_nothing_open(self, make: Maker, tmp_path: Path) -> None:
        script = tmp_path / "ifup"
        script.write_text("#!/bin/sh\necho no such bridge >&2\nexit 3\n")
        script.chmod(0o755)
        tap = make(open=False, script=str(script))
        with pytest.raises(StartError, match=r"script .*ifup tap7 exited with 3: no such bridge"):
            tap.open(False)
        assert tap.fileno() == -1

    def test_the_script_gets_the_interfaces_name(self, make: Maker, tmp_path: Path) -> None:
        script = tmp_path / "ifup"
        script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
        script.chmod(0o755)
        make(script=str(script), ifname="tap%d")
        assert (tmp_path / "said").read_text() == "tap0\n"

    def test_a_descriptor_without_headers_cannot_have_them(self, make: Maker, tun: MemoryTun) -> None:
        fd = tun.open("other", False).fd
        tap = make(open=False)
        tap.properties = TapProperties(id="hn0", fd=fd, vnet_hdr=True)
        with pytest.raises(StartError, match=f"vnet_hdr=on, but the TAP of fd={fd} has no vnet headers"):
            tap.open(True)


class TestProperties:
    @pytest.mark.parametrize("other", ["ifname", "script", "downscript", "br"])
    def test_fd_excludes_what_makes_a_tap(self, other: str) -> None:
        with pytest.raises(OptionError, match=f"'fd' and '{other}' exclude"):
            TapProperties(id="hn0", fd=3, **{other: "x"}).check()

    def test_a_missing_bridge_is_named_before_anything_opens(self) -> None:
        with pytest.raises(OptionError, match="there is no bridge nosuchbr"):
            TapProperties(id="hn0", br="nosuchbr").check_host()

    def test_a_descriptor_that_is_not_there(self) -> None:
        with pytest.raises(OptionError, match="no descriptor 987654"):
            TapProperties(id="hn0", fd=987654).check_host()


# changes while it runs


def test_what_the_kernel_has_is_received_at_once_even_while_paused(tun: MemoryTun, make: Maker) -> None:
    tap = make()
    received: list[bytes] = []
    tap.start(lambda batch: received.extend(batch.packets()))
    frames = [packet(f"{n}|") for n in range(3 * TURN_FRAMES // 2)]
    for frame in frames:
        far_end(tun, tap).send(frame)
    tap.pause()
    tap.drain()
    assert received == frames


def test_one_that_was_never_started_keeps_what_it_has(tun: MemoryTun, make: Maker) -> None:
    tap = make()
    far_end(tun, tap).send(packet("one"))
    tap.drain()
    received: list[bytes] = []
    tap.start(lambda batch: received.extend(batch.packets()))
    tap.doRead()
    assert received == [packet("one")]


def test_the_carrier_is_the_kernels(tun: MemoryTun, make: Maker) -> None:
    tap = make()
    tap.set_link(False)
    assert list(tun.carriers.values()) == [False]
    tap.set_link(True)
    assert list(tun.carriers.values()) == [True]


def test_a_kernel_that_has_no_such_call_is_told_of_once_and_no_error(
    tun: MemoryTun, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, on: bool) -> None:
        raise OSError(22, "Invalid argument")

    tap = make()
    monkeypatch.setattr(tun, "set_carrier", refuse)
    with capturedLogs() as logged:
        tap.set_link(False)
    assert ["carrier off" in str(event["text"]) for event in logged] == [True]


def test_a_longer_queue_reaches_one_that_is_open(tun: MemoryTun, make: Maker) -> None:
    tap = make()
    tap.set_queue(5000)
    assert tun.queues == {tap.name: 5000}

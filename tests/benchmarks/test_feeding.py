"""benchmarks/compare: the streams, the feeder, and the sockets; what compares is the relay, which looks at nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

import benchmarks.compare.feeding
from benchmarks.compare.contestants import NOBODY
from benchmarks.compare.feeding import Ends, Feed, Flight, Passage
from benchmarks.compare.part import Fodder, measure
from benchmarks.compare.settings import Load
from benchmarks.compare.sockets import KINDS, LOOPBACK, PORTS, free_ports
from benchmarks.compare.streams import PRIMARY_ISN, Stream, openings, segments

FRAMES = segments(4, 64, 1000)
Wire = Callable[[Ends], None]


def frames(stream: Stream) -> list[Ether]:
    data = bytes(stream.data)
    return [Ether(data[at + 4 : at + stream.frame]) for at in range(0, len(data), stream.frame)]


@pytest.mark.parametrize("stream", [openings(3, PRIMARY_ISN), segments(3, 65, 10)], ids=["openings", "segments"])
def test_checksums_are_right(stream: Stream) -> None:
    for frame in frames(stream):
        again = Ether(bytes(frame))
        del again[IP].chksum, again[TCP].chksum
        assert bytes(again) == bytes(frame)


def test_connections_take_turns() -> None:
    seen = [(frame[TCP].dport, frame[TCP].seq - PRIMARY_ISN) for frame in frames(segments(3, 10, 7))]
    assert seen == [(20000 + index % 3, 1 + index // 3 * 10) for index in range(7)]


@contextmanager
def comparer(behaves: Wire) -> Iterator[Ends]:
    """Sockets at whose other ends something runs until all are closed."""
    pairs = [socket.socketpair() for _ in range(3)]
    ours, theirs = Ends(*(one for one, _ in pairs)), Ends(*(other for _, other in pairs))
    for end in (ours.primary, ours.secondary, ours.out):
        end.setblocking(False)
    thread = threading.Thread(target=behaves, args=(theirs,))
    thread.start()
    yield ours
    for end in (ours.primary, ours.secondary, ours.out):
        end.close()
    thread.join(10)
    for end in (theirs.primary, theirs.secondary, theirs.out):
        end.close()


def in_step(ends: Ends, lose: int = 0) -> None:
    """Lets go what both have sent; keeps the last bytes."""
    received = [0, 0]
    released = 0
    try:
        while all(received) or not any(received):
            for index, end in enumerate((ends.primary, ends.secondary)):
                data = end.recv(1 << 16)
                if not data:
                    return
                received[index] += len(data)
            until = min(*received, len(FRAMES.data) - lose)
            ends.out.sendall(bytes(max(until - released, 0)))
            released = max(until, released)
    except OSError:
        pass


def passage(behaves: Wire, flight: Flight) -> Passage:
    with comparer(behaves) as ends:
        return Feed(ends, FRAMES, FRAMES, flight).run(10)


def test_all_of_it_comes_out() -> None:
    passed = passage(in_step, Flight(100))
    assert passed.complete
    assert passed.pairs == len(FRAMES)
    assert 0 <= passed.idle < 1


def test_what_is_lost_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.compare.feeding, "SILENCE", 0.2)
    passed = passage(lambda ends: in_step(ends, lose=FRAMES.frame), Flight(100))
    assert not passed.complete
    assert passed.sent_bytes - passed.released_bytes == FRAMES.frame
    assert 0 <= passed.idle <= 1  # the silence at its end isn't counted


def test_no_more_is_under_way_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.compare.feeding, "SILENCE", 0.2)
    seen = {}

    def silent(ends: Ends) -> None:
        for name, end in (("primary", ends.primary), ("secondary", ends.secondary)):
            end.settimeout(0.1)
            seen[name] = 0
            try:
                while data := end.recv(1 << 16):
                    seen[name] += len(data)
            except TimeoutError:
                pass

    assert passage(silent, Flight(window=100, lag=30)).released_bytes == 0
    assert seen == {"primary": 100 * FRAMES.frame, "secondary": 70 * FRAMES.frame}


@pytest.mark.parametrize("over", KINDS)
def test_a_relay_lets_all_go(over: str) -> None:
    measured = measure(NOBODY, Fodder.of(Load(4, 64, over=over, most=2000)), 10)
    assert measured.trouble == ""
    assert (measured.opening.pairs, measured.data.pairs) == (4, 2000)


def test_ports_are_free_and_different() -> None:
    found = free_ports(3)
    assert len(set(found)) == 3
    assert set(found) <= set(PORTS)
    for port in found:
        socket.create_server((LOOPBACK, port)).close()


def test_each_has_its_own_place(tmp_path: Path) -> None:
    for kind in KINDS.values():
        sockets = kind(tmp_path)
        with pytest.raises(OSError, match=r"refused|No such file"):
            sockets.connect("out")
        assert sockets.word("out") in sockets.chardev("out")
        assert sockets.word("out") != sockets.word("primary_in")

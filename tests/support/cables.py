"""The far ends of cables: what a test holds to put frames into netdevs and chardevs, and to see what comes out."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from tests.support.processes import PATIENCE, wait_until

_length = struct.Struct(">I")
_number = struct.Struct(">Q")
_seconds_and_us = struct.Struct("@ll")

_ETHERNET = bytes.fromhex("525400000002 525400000001 88b5")
_SO_SNDBUFFORCE = 32  # socket(7); Python has no name for it
ROOM = 64 << 20  # bytes

SIZES = (60, 1514, 9000, 65000)


# frames that tell by themselves whether they are whole


def numbered_packet(number: int, size: int | None = None) -> bytes:
    """The packet of this number: it bears it, and the rest follows from it; so does the size, unless given."""
    if size is None:
        size = _size_of(number)
    return _ETHERNET + _number.pack(number) + random.Random(number).randbytes(size - len(_ETHERNET) - _number.size)


def _size_of(number: int) -> int:
    chance = random.Random(f"size {number}")
    return chance.choice(SIZES) if chance.random() < 0.05 else chance.randint(60, 1514)


def number_of(packet: bytes) -> int:
    """Its number; fails unless it is that number's packet, byte for byte."""
    (number,) = _number.unpack_from(packet, len(_ETHERNET))
    assert isinstance(number, int)
    assert packet == numbered_packet(number, len(packet)), f"the {len(packet)} bytes of packet {number} were changed"
    return number


def numbered_packets(count: int, sizes: Iterable[int] = ()) -> list[bytes]:
    """Packets numbered from 0: first one of each of these sizes, then a mix."""
    packets = [numbered_packet(number, size) for number, size in enumerate(sizes)]
    return packets + [numbered_packet(number) for number in range(len(packets), count)]


def runs(numbers: Iterable[int]) -> list[range]:
    """The unbroken runs in a sequence: a gap, a repetition or a wrong order begins a new one."""
    found: list[range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


# who holds the far end


class FarEnd:
    """
    The far end of a cable, for one process after the other; what comes is read into ``packets`` by a thread.

    A context manager. With ``vnet_hdr`` frames carry vnet headers: those that come are kept in
    ``vnet_headers``, and what is sent gets one of length 0, as QEMU sends.
    """

    def __init__(self, vnet_hdr: bool = False) -> None:
        self.packets: list[bytes] = []
        self.vnet_headers: list[bytes] = []
        self._vnet_hdr = vnet_hdr
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FarEnd:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._end_reading()

    def plug(self) -> socket.socket:
        """
        A new cable: the socket for a process to inherit. The process before must have ended.

        It holds more than any test sends: QEMU 7.2's socket netdevs disorder frames, and may abort,
        when one takes only a part of a frame.
        """
        near, far = socket.socketpair()
        for end in (near, far):
            end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, ROOM)
        self._take(far)
        return near

    def connect(self, path: Path) -> None:
        """Be the client of a unix socket."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        self._end_reading()
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _seconds_and_us.pack(int(PATIENCE), 0))
        self._connection = connection
        self._thread = threading.Thread(target=self._read, args=(connection,), daemon=True)
        self._thread.start()

    def send(self, packets: Iterable[bytes]) -> None:
        """Send packets as frames. Raises OSError if nobody is there."""
        connection = self._connection
        if connection is None:
            raise ConnectionError("nobody is connected")
        no_vnet_header = _length.pack(0) * self._vnet_hdr
        connection.sendall(b"".join(_length.pack(len(packet)) + no_vnet_header + packet for packet in packets))

    def expect(self, packets: list[bytes]) -> None:
        """Wait for as many packets; they must be the same, in the same order, and the only ones."""
        try:
            wait_until(lambda: len(self.packets) >= len(packets), f"{len(packets)} packets")
        except AssertionError as error:
            raise AssertionError(f"{error}; {len(self.packets)} came") from None
        for index, (came, sent) in enumerate(zip(self.packets, packets)):
            assert came == sent, f"packet {index}: {len(sent)} bytes were sent, these {len(came)} came: {came[:64]!r}"
        assert len(self.packets) == len(packets)

    def _end_reading(self) -> None:
        if self._thread is not None:
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive(), "the connection before is still open"

    def _read(self, connection: socket.socket) -> None:
        """Until the other side closes; a part frame at the end counts for nothing."""
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError, EOFError):
            while True:
                self._read_frame(stream.read)
        self._connection = None

    def _read_frame(self, read: Callable[[int], bytes]) -> None:
        (length,) = _length.unpack(_exactly(read, _length.size))
        vnet_header = b""
        if self._vnet_hdr:
            (vnet_length,) = _length.unpack(_exactly(read, _length.size))
            vnet_header = _exactly(read, vnet_length)
        packet = _exactly(read, length - len(vnet_header))
        self.vnet_headers += [vnet_header] * self._vnet_hdr
        self.packets.append(packet)


class Traffic:
    """Numbered packets sent into a far end without a break, whoever goes and comes; a context manager."""

    def __init__(self, into: FarEnd) -> None:
        self.sent = 0  # the packets of all numbers below were sent, or found nobody
        self.sent_bytes = 0
        self._into = into
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> int:
        """How many were sent."""
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the sender is stuck"
        return self.sent

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            packets = [numbered_packet(number) for number in range(self.sent, self.sent + 16)]
            with contextlib.suppress(OSError):
                self._into.send(packets)
            self.sent += len(packets)
            self.sent_bytes += sum(map(len, packets))


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size)
    if len(data) < size:
        raise EOFError
    return data

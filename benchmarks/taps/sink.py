"""
A mirror's peer, as a program: ``sink.py PORT read`` takes all it is sent, ``sink.py PORT stuck`` never reads.

Says 'connected'; when it is ended, how many bytes it took.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from types import FrameType
from typing import NoReturn

CHUNK = 1 << 20
PATIENCE = 20.0  # seconds, for the server to listen


def connect(port: int) -> socket.socket:
    """To a server on this host, as soon as it listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def drain(connection: socket.socket) -> int:
    """Take all until the other end closes or SystemExit; how many bytes. The kernel throws them away (MSG_TRUNC)."""
    taken = 0
    nothing = bytearray(CHUNK)
    try:
        while size := connection.recv_into(nothing, CHUNK, socket.MSG_TRUNC):
            taken += size
    except (SystemExit, ConnectionResetError):
        pass
    return taken


def end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def main(port: int, how: str) -> None:
    signal.signal(signal.SIGTERM, end)
    connection = connect(port)
    print("connected", flush=True)
    if how == "stuck":
        signal.pause()
    print(drain(connection), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

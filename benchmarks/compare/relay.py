"""
The limit: ``relay.py FOLDER`` reads both inputs and writes the primary's bytes to the output, looking at nothing.

It listens in the folder under the names of a comparison's sockets, and ends when one of them closes.
"""

from __future__ import annotations

import select
import socket
import sys
from pathlib import Path

CHUNK = 1 << 18


def main(folder: Path) -> None:
    listening = [listen(folder / name) for name in ("primary_in", "secondary_in", "out")]
    primary, secondary, out = (each.accept()[0] for each in listening)
    into = memoryview(bytearray(CHUNK))
    poll = select.poll()
    poll.register(primary, select.POLLIN)
    poll.register(secondary, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            if number == secondary.fileno():
                size = secondary.recv_into(into)
            else:
                size = primary.recv_into(into)
                out.sendall(into[:size])
            if not size:
                return


def listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


if __name__ == "__main__":
    main(Path(sys.argv[1]))

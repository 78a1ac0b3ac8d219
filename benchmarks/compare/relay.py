"""
The limit: ``relay.py PRIMARY_IN SECONDARY_IN OUT`` writes the primary's bytes to the output, looking at nothing.

It listens at these three, each the path of a unix socket or a port of the loopback, reads both inputs, and ends when
one of them closes.
"""

from __future__ import annotations

import select
import socket
import sys

CHUNK = 1 << 18


def main(*words: str) -> None:
    listening = [listen(word) for word in words]
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


def listen(word: str) -> socket.socket:
    if word.isdigit():
        return socket.create_server(("127.0.0.1", int(word)))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(word)
    listening.listen()
    return listening


if __name__ == "__main__":
    main(*sys.argv[1:])

"""
A program: which of a switch's ports frames of one address come in by, and when.

``sniffer.py ADDRESS PORT...`` prints a line of JSON for each run of frames by one port without any by another: its
port, the time of the first and of the last (monotonic, in seconds), and how many; the last run when it is told to end.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
import time
from types import FrameType

OUTGOING = 4  # PACKET_OUTGOING (packet(7)): what the switch itself sends by a port
ALL = 3  # ETH_P_ALL


def main(address: str, *ports: str) -> None:
    source = bytes.fromhex(address.replace(":", ""))
    sockets = {}
    for port in ports:
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
        heard.bind((port, 0))
        sockets[heard.fileno()] = port, heard
    ending: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        ending.append(number)

    signal.signal(signal.SIGTERM, end)
    print("sniffing", flush=True)
    run: dict[str, object] = {}
    while not ending:
        for fd in select.select(list(sockets), [], [], 0.1)[0]:
            port, heard = sockets[fd]
            try:
                frame, sender = heard.recvfrom(1 << 17)
            except OSError:  # the port is down, which is told once
                continue
            if sender[2] == OUTGOING or frame[6:12] != source:
                continue
            now = time.monotonic()
            if run.get("port") != port:
                if run:
                    print(json.dumps(run), flush=True)
                run = {"port": port, "first": now, "frames": 0}
            run["last"] = now
            run["frames"] = int(str(run["frames"])) + 1
    print(json.dumps(run), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

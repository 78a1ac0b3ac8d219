"""
A program: a client that kills processes at a moment of its connections' lives, and goes on with these connections.

    python outliving.py ADDRESS MOMENT FILE PORTS PIDS

One connection to each of the ports, all at once. The moment is ``opened``: when the last of them is; ``served``: when
something has been sent and answered on each; ``downloading``: when an answer has begun on each; ``uploading``: when it
has printed that and found the file.

Prints ``killed``, the time just before (monotonic, in seconds), with what was ``unacknowledged`` then by port, as JSON;
and then what visitor.py prints.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import socket
import sys
import termios
import threading
import time

from service import BLOCK  # type: ignore[import-not-found]  # in the folder of this program
from visitor import PATIENCE, Account, Visit, Wrong  # type: ignore[import-not-found]

SMALL, SOME, MUCH = 3_000, 20_000, 100_000
BODY = BLOCK[:MUCH]
UPLOAD = b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Outliving(Visit):  # type: ignore[misc]
    """A connection that outlives what its other end was."""

    def begin_upload(self) -> None:
        """Hand all of it to the kernel, whatever the other end takes."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(UPLOAD))
        self._socket.sendall(UPLOAD)

    def end_upload(self) -> None:
        if self._reader.read(self._size()) != hashlib.sha256(BODY).hexdigest().encode():
            raise Wrong("the service got something else")

    def begin_download(self) -> None:
        """Until the first bytes of the answer's body are there."""
        self._ask("GET", f"/{len(BODY)}", 0, False)
        self._size()
        self._begun = self._reader.read(SMALL)

    def end_download(self) -> None:
        if self._begun + self._reader.read(len(BODY) - SMALL) != BODY:
            raise Wrong("other bytes, or an end")

    def unacknowledged(self) -> int:
        """Bytes of what was sent that the other end has not acknowledged."""
        return int.from_bytes(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


class Client:
    def __init__(self, address: str, moment: str, file: str, ports: list[int], pids: list[int]) -> None:
        self._address, self._moment, self._file, self._pids = address, moment, file, pids
        self._visits: dict[int, Outliving] = {}
        self._account = Account()
        self._together = threading.Barrier(len(ports), action=self._kill, timeout=PATIENCE)
        self._threads = [threading.Thread(target=self._run, args=(port,)) for port in ports]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        self._account.tell()

    def _run(self, port: int) -> None:
        self._account.visit(f"port {port}", lambda: self._visit(port))

    def _visit(self, port: int) -> None:
        visit = self._visits[port] = Outliving(self._address, port)
        if self._moment == "served":
            visit.upload(SMALL)
            visit.download(SOME)
        elif self._moment == "downloading":
            visit.begin_download()
        elif self._moment == "uploading":
            visit.begin_upload()
        self._together.wait()
        if self._moment == "downloading":
            visit.end_download()
        elif self._moment == "uploading":
            visit.end_upload()
        visit.upload(SMALL)
        visit.download(MUCH)
        visit.close()

    def _kill(self) -> None:
        """By the thread that comes last, while the others wait."""
        if self._moment == "uploading":
            print("uploading", flush=True)
            while not os.path.exists(self._file):
                time.sleep(0.002)
        left = {port: visit.unacknowledged() for port, visit in self._visits.items()}
        now = time.monotonic()
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        print(json.dumps({"killed": now, "unacknowledged": left}), flush=True)


def main(address: str, moment: str, file: str, ports: str, pids: str) -> None:
    numbers = [[int(each) for each in text.split(",")] for text in (ports, pids)]
    Client(address, moment, file, *numbers).run()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""benchmarks/pair: the web client and the web server, without a pair between them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from benchmarks.pair import client
from benchmarks.pair.client import Counted
from benchmarks.pair.server import Answers, Server

SHORT = 0.2  # seconds


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with Server(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        host, port = server.server_address[:2]
        yield str(host), int(port)
        server.shutdown()
        thread.join()


def test_it_does_all_it_can(address: tuple[str, int]) -> None:
    words = (sys.executable, client.__file__, address[0], str(address[1]), str(SHORT))
    counted = Counted(**json.loads(subprocess.run(words, check=True, capture_output=True, timeout=60).stdout))
    assert min(counted.answers, counted.connections, counted.download, counted.upload) > 0
    assert counted.failed == 0


def test_it_does_what_it_is_told(address: tuple[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    client.main(*address, SHORT, "upload")
    counted = Counted(**json.loads(capsys.readouterr().out))
    assert counted.upload > 0
    assert counted == Counted(upload=counted.upload)


def test_a_body_is_taken_whole_before_it_is_answered(address: tuple[str, int]) -> None:
    with client.connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        connection.sendall(b"c")
        client.take(connection, 0)
        client.ask(connection, 5)
        client.take(connection, 5)

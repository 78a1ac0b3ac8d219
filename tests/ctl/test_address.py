from __future__ import annotations

import socket
from pathlib import Path

import pytest

from colo_twisted.ctl.address import TCPAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/colo/qmp.sock", UnixAddress("/run/colo/qmp.sock")),
        ("unix:/run/colo/qmp.sock", UnixAddress("/run/colo/qmp.sock")),
        ("qmp.sock", UnixAddress("qmp.sock")),
        ("tcp:localhost:4444", TCPAddress("localhost", 4444)),
        ("tcp:127.0.0.1:1", TCPAddress("127.0.0.1", 1)),
        ("tcp:[::1]:4444", TCPAddress("::1", 4444)),
    ],
)
def test_what_is_an_address(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["unix:/run/colo/qmp.sock", "tcp:localhost:4444", "tcp:[::1]:4444"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize("text", ["tcp:", "tcp:host", "tcp::4444", "tcp:host:0", "tcp:host:65536", "tcp:::1:4444"])
def test_what_is_no_tcp_address(text: str) -> None:
    with pytest.raises(ValueError, match="tcp:HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("text", ["", "unix:", "a\0b", "/" + "x" * 107])
def test_what_is_no_path_of_a_socket(text: str) -> None:
    with pytest.raises(ValueError, match="no path of a unix socket: 1 to 107 bytes"):
        parse_address(text)


def test_the_longest_path_can_be_connected_to(tmp_path: Path) -> None:
    folder = str(tmp_path)
    path = folder + "/" + "x" * (106 - len(folder))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        with parse_address(path).connect(1.0) as connected:
            assert connected.getpeername() == path


def test_a_tcp_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        with parse_address(f"tcp:{host}:{port}").connect(1.0) as connected:
            assert connected.getpeername() == (host, port)


def test_a_failed_connection_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        parse_address(str(tmp_path / "nothing")).connect(1.0)

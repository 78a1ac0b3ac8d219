from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from colo_twisted.ctl.address import UnixAddress
from colo_twisted.ctl.client import Client
from colo_twisted.ctl.errors import CannotReach, Lost, Refused, TooLate
from tests.ctl.fake_server import GREETING, Answer, FakeServer, line, returned

SOON = 0.05


def client_of(server: FakeServer, connecting: float = 10.0) -> Client:
    return Client(UnixAddress(str(server.path)), connecting)


def event(name: str) -> bytes:
    return line({"event": name, "data": {}, "timestamp": {"seconds": 1, "microseconds": 0}})


def test_it_is_greeted_and_negotiates(tmp_path: Path) -> None:
    with FakeServer(tmp_path) as server, client_of(server) as client:
        assert client.greeting == GREETING["QMP"]
        assert [request["execute"] for request in server.requests] == ["qmp_capabilities"]


def test_a_command_and_what_it_returns(tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> bytes:
        return returned(request, [request["execute"], request.get("arguments")])

    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        assert client.execute("query-name") == ["query-name", None]
        assert client.execute("object-del", {"id": "m0"}) == ["object-del", {"id": "m0"}]
        assert client.converse({"execute": "x", "id": "mine"}) == ["x", None]


def test_an_error_has_its_class_and_words(tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> bytes:
        return line({"error": {"class": "GenericError", "desc": "object 'x' not found"}, "id": request["id"]})

    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        with pytest.raises(Refused, match=r"^object-del: object 'x' not found$") as raised:
            client.execute("object-del", {"id": "x"})
        assert raised.value.error_class == "GenericError"


def test_an_error_without_an_id_is_the_answer_too(tmp_path: Path) -> None:
    answer: Answer = lambda _: line({"error": {"class": "GenericError", "desc": "JSON parse error"}})  # noqa: E731
    with (
        FakeServer(tmp_path, answer) as server,
        client_of(server) as client,
        pytest.raises(Refused, match="JSON parse"),
    ):
        client.execute("query-name")


def test_an_answer_in_many_lines_and_pieces(tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> bytes:
        return f'{{\r\n  "return":\r\n  {{"text": "{"x" * 200_000}"}},\r\n "id": "{request["id"]}"}}'.encode()

    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        assert len(client.execute("query-name")["text"]) == 200_000


def test_answers_to_others_are_left_aside(tmp_path: Path) -> None:
    answer: Answer = lambda request: line({"return": 1, "id": "another"}) + returned(request, 2)  # noqa: E731
    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        assert client.execute("query-name") == 2


def test_events_wait_until_they_are_asked_for(tmp_path: Path) -> None:
    answer: Answer = lambda request: event("ONE") + returned(request, {}) + event("TWO")  # noqa: E731
    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        assert client.execute("query-name") == {}
        assert [(client.next_event(10.0) or {})["event"] for _ in "12"] == ["ONE", "TWO"]
        assert client.next_event(SOON) is None


def test_the_end_while_events_are_awaited(tmp_path: Path) -> None:
    answer: Answer = lambda request: returned(request, {})  # noqa: E731
    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        client._socket.shutdown(socket.SHUT_RDWR)
        with pytest.raises(Lost, match=f"unix:{server.path} has ended the connection: has twistd colo ended"):
            client.next_event(None)
        with pytest.raises(Lost, match="has ended the connection: Broken pipe"):
            client.execute("query-name")


@pytest.mark.parametrize(
    ("error", "said"),
    [(ConnectionResetError(104, "Connection reset by peer"), "has ended the connection"), (OSError(5, "odd"), ": odd")],
)
def test_a_connection_that_breaks(error: OSError, said: str, tmp_path: Path) -> None:
    class Broken:
        def settimeout(self, _: float | None) -> None: ...

        def recv(self, _: int) -> bytes:
            raise error

        def close(self) -> None: ...

    with FakeServer(tmp_path) as server, client_of(server) as client:
        client._socket.close()
        client._socket = Broken()  # type: ignore[assignment]
        with pytest.raises(Lost, match=said):
            client.next_event(None)


def test_what_is_no_event_is_not_taken_for_one(tmp_path: Path) -> None:
    answer: Answer = lambda request: returned(request, 1) + returned(request, 2) + event("ONE")  # noqa: E731
    with FakeServer(tmp_path, answer) as server, client_of(server) as client:
        assert client.execute("query-name") == 1
        assert (client.next_event(10.0) or {})["event"] == "ONE"


def test_a_time_that_is_over_is_no_time_to_wait(tmp_path: Path) -> None:
    with FakeServer(tmp_path) as server, client_of(server) as client:
        assert client.next_event(0) is None


def test_a_server_that_ends_in_place_of_an_answer(tmp_path: Path) -> None:
    with FakeServer(tmp_path, lambda _: b"") as server, client_of(server) as client, pytest.raises(Lost, match="ended"):
        client.execute("quit")


def test_no_answer_in_time(tmp_path: Path) -> None:
    late = pytest.raises(TooLate, match=r"has not answered query-name within 0\.05 s: is it very busy\?")
    with FakeServer(tmp_path, lambda _: b" ") as server, client_of(server) as client, late:
        client.execute("query-name", timeout=SOON)


def test_no_greeting_in_time(tmp_path: Path) -> None:
    with FakeServer(tmp_path, greeting=None) as server, pytest.raises(TooLate, match="says nothing: is the process"):
        client_of(server, SOON)


@pytest.mark.parametrize("greeting", [b'{"hello": 1}\r\n', b"\0\0\0\x0e" + bytes(14), b"SSH-2.0-OpenSSH\r\n"])
def test_what_is_not_qmp(greeting: bytes, tmp_path: Path) -> None:
    with FakeServer(tmp_path, greeting=greeting) as server, pytest.raises(Lost, match="does not speak QMP"):
        client_of(server)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(CannotReach, match="no colo_twisted listens at"):
        Client(UnixAddress(str(tmp_path / "qmp.sock")))


def test_a_peer_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colo_twisted.ctl.client.ANSWERING", SOON)
    with socket.socket(socket.AF_UNIX) as listening:
        path = tmp_path / "qmp.sock"
        listening.bind(str(path))
        listening.listen()
        address = UnixAddress(str(path))
        with address.connect(1.0) as connected:
            client = Client.__new__(Client)
            client.address, client._socket = address, connected
            with pytest.raises(TooLate, match="takes no commands"):
                client._send(bytes(16 << 20))

"""QMP clients that others wrote, and bare sockets, against a proxy of ours that runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qemu.qmp import QMPClient
from qemu.qmp.qmp_client import ExecuteError

from tests.control.test_json_lexer import ERRORS
from tests.control.test_json_stream import DIALECT
from tests.support.daemons import fail_as_daemon, fail_in_foreground
from tests.support.processes import PATIENCE, Colo, wait_until
from tests.support.qemu import QEMU

QMP_SHELL = str(Path(sys.executable).with_name("qmp-shell"))
PARTS = ["-name", "fred", "-chardev", "null,id=n0"]
NEGOTIATE = b'{"execute":"qmp_capabilities"}'


@pytest.fixture
def colo(tmp_path: Path) -> Iterator[Colo]:
    with Colo(PARTS, tmp_path) as running:
        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Bare:
    """A connection on which a test says what it likes."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(PATIENCE)
        self._file = connected.makefile("rb")

    @classmethod
    def to(cls, path: Path) -> Bare:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(path))
        return cls(connected)

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> Any:
        """The next line's value; None at the end."""
        line = self._file.readline()
        assert line == b"" or line.endswith(b"\r\n")
        return json.loads(line) if line else None

    def negotiate(self) -> None:
        assert "QMP" in self.line()
        self.say(NEGOTIATE)
        assert self.line() == {"return": {}}


# the qemu.qmp package


def test_the_asynchronous_client(colo: Colo) -> None:
    async def talk() -> None:
        client = QMPClient("a test")
        await client.connect(str(colo.control))
        assert await client.execute("query-name") == {"name": "fred"}
        answers = await asyncio.gather(*(client.execute("query-status") for _ in range(20)))
        assert [answer["status"] for answer in answers] == ["running"] * 20
        with pytest.raises(ExecuteError, match="object 'm0' not found") as refused:
            await client.execute("object-del", {"id": "m0"})
        assert refused.value.error_class == "GenericError"
        await client.execute("chardev-add", {"id": "c1", "backend": {"type": "null", "data": {}}})
        assert {chardev["label"] for chardev in await client.execute("query-chardev")} >= {"n0", "c1"}  # type: ignore
        with client.listener("SHUTDOWN") as listener:
            await client.execute("quit")
            event = await asyncio.wait_for(listener.get(), PATIENCE)
            assert event["data"] == {"guest": False, "reason": "host-qmp-quit"}
        with contextlib.suppress(EOFError):  # that the connection has ended
            await client.disconnect()

    asyncio.run(talk())
    assert colo.popen.wait(PATIENCE) == 0
    assert not colo.control.exists()
    assert "Traceback" not in colo.output


def shell(where: str, *lines: str, options: tuple[str, ...] = ()) -> list[str]:
    """What qmp-shell answers to each of the lines."""
    done = subprocess.run(
        [QMP_SHELL, *options, where],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "HOME": "/nonexistent"},  # where it would keep what was typed
    )
    assert done.returncode == 0, done.stderr
    welcome, _, said = done.stdout.partition("(QEMU) ")
    assert "Connected to QEMU 0." in welcome
    return [answer.strip() for answer in said.split("(QEMU) ")]


def test_qmp_shell(colo: Colo) -> None:
    answers = shell(
        str(colo.control),
        "query-name",
        'chardev-add id=c1 backend={"type":"null","data":{}}',
        "chardev-remove id=c1",
        "chardev-remove id=c1",
        "query-nonsense",
    )
    assert [json.loads(answer) for answer in answers if answer] == [
        {"return": {"name": "fred"}},
        {"return": {}},
        {"return": {}},
        {"error": {"class": "GenericError", "desc": "Chardev 'c1' not found"}},
        {"error": {"class": "CommandNotFound", "desc": "The command query-nonsense has not been found"}},
    ]


def test_qmp_shell_with_lines_for_people(colo: Colo) -> None:
    assert "n0: filename=null" in shell(str(colo.control), "info chardev", options=("-H",))[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_qmp_shell_over_tcp(host: str, tmp_path: Path) -> None:
    where = f"[{host}]:{free_port()}" if ":" in host else f"{host}:{free_port()}"
    with Colo([*PARTS, "-qmp", f"tcp:{where},server=on,wait=off"], tmp_path):
        if ":" not in host:  # it takes no brackets
            assert json.loads(shell(where, "query-name")[0]) == {"return": {"name": "fred"}}
            return
        with Bare(socket.create_connection((host, int(where.rpartition(":")[2])))) as client:
            client.negotiate()


# bare sockets


def test_the_sockets_file_is_its_owners(colo: Colo) -> None:
    assert colo.control.stat().st_mode & 0o777 == 0o600


def test_no_newline_is_needed(colo: Colo) -> None:
    with Bare.to(colo.control) as client:
        client.negotiate()
        client.say(b"{'execute':'query-name','id':{'a':[null]}}{\"execute\":\"query-na")
        assert client.line() == {"return": {"name": "fred"}, "id": {"a": [None]}}
        client.say(b'me"}')
        assert client.line() == {"return": {"name": "fred"}}


def test_a_client_may_speak_before_it_has_read_the_greeting(colo: Colo) -> None:
    with Bare.to(colo.control) as client:
        client.say(NEGOTIATE + b'{"execute":"query-name"}')
        assert "QMP" in client.line()
        assert [client.line(), client.line()] == [{"return": {}}, {"return": {"name": "fred"}}]


def test_many_at_once_one_of_which_does_not_read_and_one_of_which_goes(colo: Colo) -> None:
    with Bare.to(colo.control) as stuck, Bare.to(colo.control) as goes:
        stuck.negotiate()
        stuck.socket.setblocking(False)
        request = b'{"execute":"query-qmp-schema"}'.ljust(4096)
        sent = 0
        with contextlib.suppress(BlockingIOError):  # nothing more is read from it
            while sent < 64 << 20:
                sent += stuck.socket.send(request[sent % 4096 :])
        assert sent < 64 << 20
        goes.negotiate()
        goes.say(b'{"execute":"query-qmp-schema"}' * 10)
        goes.socket.close()
        clients = [Bare.to(colo.control) for _ in range(98)]
        for client in clients:
            client.negotiate()
            client.say(b'{"execute":"query-name"}')
        assert [client.line() for client in clients] == [{"return": {"name": "fred"}}] * 98
        for client in clients:
            client.__exit__()
        stuck.socket.setblocking(True)
        stuck.socket.settimeout(PATIENCE)
        for _ in range(sent // 4096):
            assert "return" in stuck.line()


def test_the_end_is_told_before_the_connection_ends(colo: Colo) -> None:
    with Bare.to(colo.control) as client, Bare.to(colo.control) as silent:
        client.negotiate()
        colo.signal(signal.SIGTERM)
        assert client.line()["event"] == "SHUTDOWN"
        assert client.line() is None
        assert "QMP" in silent.line()
        assert silent.line() is None
    assert colo.popen.wait(PATIENCE) == 0


# -mon


def a_listening_socket(folder: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "far"))
    listening.listen()
    listening.settimeout(PATIENCE)
    return listening


def test_a_monitor_may_be_the_one_that_connects_and_connects_again(tmp_path: Path) -> None:
    words = ["-chardev", f"socket,id=c0,path={tmp_path}/far,reconnect-ms=50", "-mon", "c0,mode=control"]
    with a_listening_socket(tmp_path) as listening, Colo([*PARTS, *words], tmp_path):
        for _ in range(2):
            with Bare(listening.accept()[0]) as client:
                client.negotiate()
                client.say(b'{"execute":"query-name"}')
                assert client.line() == {"return": {"name": "fred"}}


def test_a_monitor_at_an_inherited_connection(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    with Bare(far) as client, near:
        words = ["-chardev", f"socket,id=c0,fd={near.fileno()}", "-mon", "chardev=c0,mode=control,pretty=on"]
        with Colo([*PARTS, *words], tmp_path, pass_fds=(near.fileno(),)):
            near.close()
            got = b""
            while not got.endswith(b"\r\n}\r\n"):
                got += client.socket.recv(1 << 16)
            assert got.startswith(b'{\r\n    "QMP": {\r\n')


def test_start_up_waits_for_a_client_unless_told_not_to(tmp_path: Path) -> None:
    with Colo([*PARTS, "-qmp", f"unix:{tmp_path}/s,server=on"], tmp_path) as colo:
        waits = (
            f"chardev compat_monitor0: start-up waits for a client on unix:{tmp_path}/s (wait=off would go on without)"
        )
        assert waits in colo.output
        assert colo.qmp("query-status")["status"] == "prelaunch"
        with Bare.to(tmp_path / "s") as client:
            client.negotiate()
            colo.wait_for_output("colo: running")
            wait_until(lambda: colo.qmp("query-status")["status"] == "running", "the start")


# what is refused

OPEN = (
    "is open to other hosts, and there is no TLS; use 127.0.0.1, ::1 or a unix socket's path,"
    " or allow it with insecure=on"
)


@pytest.mark.parametrize("fails", [fail_in_foreground, fail_as_daemon])
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-qmp", "tcp:0.0.0.0:4444,server=on,wait=off"], f"chardev compat_monitor0: tcp:0.0.0.0:4444 {OPEN}"),
        (["-qmp", "tcp::4444,server=on,wait=off"], f"chardev compat_monitor0: tcp::4444 {OPEN}"),
        (
            ["-chardev", "socket,id=c0,host=10.9.8.7,port=4444,server=on", "-mon", "c0,mode=control"],
            f"chardev c0: tcp:10.9.8.7:4444 {OPEN}",
        ),
        (
            ["-chardev", "null,id=c0", "-mon", "c0,mode=control"],
            "monitor 'c0': chardev 'c0' is no socket (-chardev socket,id=...)",
        ),
        (
            ["-chardev", "null,id=c0", "-mon", "c0"],
            "-mon c0: property 'mode' is missing: control only: it speaks QMP; QEMU's prompt for people is not here",
        ),
        (["-qmp", "unix:/none/s,server"], "-qmp unix:/none/s,server: property 'path': there is no folder /none"),
    ],
)
def test_a_start_that_is_refused(words: list[str], line: str, fails: Any, tmp_path: Path) -> None:
    failed = fails(words, tmp_path)
    assert (failed.status, failed.stdout, failed.stderr) == (1, "", f"twistd colo: {line}\n")


def test_what_is_allowed_is_open(tmp_path: Path) -> None:
    port = free_port()
    words = [*PARTS, "-qmp", f"tcp:0.0.0.0:{port},server=on,wait=off,insecure=on"]
    with Colo(words, tmp_path), Bare(socket.create_connection(("127.0.0.1", port))) as client:
        client.negotiate()
        client.say(b'{"execute":"query-status"}')
        assert client.line()["return"]["status"] == "running"


# word by word what QEMU says


def test_a_qemu_answers_the_same_to_what_is_wrong(colo: Colo, tmp_path: Path) -> None:
    """Each input on a connection of its own; those that our limits or refusals concern are left out."""
    theirs = tmp_path / "theirs"
    with QEMU(["-qmp", f"unix:{theirs},server=on,wait=off"], tmp_path):
        for data in [*(data for data, _ in ERRORS), *(data for data, _ in DIALECT), *WRONG]:
            assert (data, said(colo.control, data)) == (data, said(theirs, data))


WRONG = [
    b"[1]",
    b"5 ",
    b'"abc"',
    b'{"execute":5}',
    b'{"foo":1}',
    b'{"execute":"a","arguments":5,"id":1}',
    b'{"execute":"a","control":{}}',
    b'{"exec-oob":"a","id":3}',
    b'{"arguments":{}}',
    b'{"id":[null,{"a":1.5}]}',
    b'{"execute":"nonsense","id":"\\u00e9"}',
    b'{"execute":"qmp_capabilities"}',
    b'{"execute":"query-version","arguments":{"x":1}}',
]


def said(path: Path, data: bytes) -> list[Any]:
    """The errors that are said to what a client sends behind its negotiation, up to an end that is recognized."""
    with Bare.to(path) as client:
        client.negotiate()
        client.say(data + b'\xff\n{"execute":"query-name","id":"end"}')
        errors = []
        while (line := client.line()).get("id") != "end":
            errors.append(line)
        return errors

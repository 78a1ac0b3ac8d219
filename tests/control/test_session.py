"""One client's conversation, word by word: each answer is the one that QEMU 7.2 gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.control.errors import QMPError
from colo_twisted.control.session import MOST_HELD, MOST_UNKNOWN, Request, Session, SessionCounters, encode, event

VERSION = {"qemu": {"major": 0, "minor": 1, "micro": 0}, "package": "p"}
NEGOTIATE = b'{"execute":"qmp_capabilities"}'


class Talk:
    """A session whose requests are answered with their own arguments, unless a test says how."""

    def __init__(self, pretty: bool = False, carry_out: Callable[[Request], Any] | None = None) -> None:
        self.counters = SessionCounters()
        self.session = Session(VERSION, pretty, self.counters)
        self.carry_out = carry_out or (lambda request: {"did": request.command, **request.arguments})
        self.output = b""

    def say(self, *pieces: bytes) -> list[Any]:
        """The answers to what the client says."""
        self.output = b""
        for piece in pieces:
            self.session.feed(piece)
            self.work()
        return lines(self.output)

    def work(self) -> None:
        while (step := self.session.step()) is not None:
            if isinstance(step, bytes):
                self.output += step
                continue
            try:
                self.output += self.session.answer(self.carry_out(step))
            except QMPError as error:
                self.output += self.session.fail(error)


def lines(output: bytes) -> list[Any]:
    assert output.isascii()
    assert not output or output.endswith(b"\r\n")
    return [json.loads(line) for line in output.splitlines()]


def negotiated(**how: Any) -> Talk:
    talk = Talk(**how)
    assert talk.say(NEGOTIATE) == [{"return": {}}]
    talk.counters = talk.session._counters = SessionCounters()
    return talk


def error(desc: str, kind: str = "GenericError", **id: Any) -> dict[str, Any]:
    return {**id, "error": {"class": kind, "desc": desc}}


def test_the_greeting() -> None:
    assert Talk().session.greeting() == (
        b'{"QMP": {"version": {"qemu": {"major": 0, "minor": 1, "micro": 0}, "package": "p"}, "capabilities": []}}\r\n'
    )


# negotiation


@pytest.mark.parametrize(
    "words",
    [
        b'{"execute":"qmp_capabilities"}',
        b'{"execute":"qmp_capabilities","arguments":{}}',
        b'{"execute":"qmp_capabilities","arguments":{"enable":[]}}\n',
        b"{'execute':'qmp_capabilities'}",
    ],
)
def test_ways_to_negotiate(words: bytes) -> None:
    talk = Talk()
    assert not talk.session.negotiated
    assert talk.say(words) == [{"return": {}}]
    assert talk.session.negotiated


def expects() -> dict[str, Any]:
    return error("Expecting capabilities negotiation with 'qmp_capabilities'", "CommandNotFound")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (b'{"execute":"query-version"}', expects()),
        (b'{"execute":"nonsense"}', expects()),
        (b'{"execute":"qmp_capabilities","arguments":{"x":5}}', error("Parameter 'x' is unexpected")),
        (b'{"execute":"qmp_capabilities","x":5}', error("QMP input member 'x' is unexpected")),
        (
            b'{"execute":"qmp_capabilities","arguments":{"enable":5}}',
            error("Invalid parameter type for 'enable', expected: array"),
        ),
        (
            b'{"execute":"qmp_capabilities","arguments":{"enable":null}}',
            error("Invalid parameter type for 'enable', expected: array"),
        ),
        (
            b'{"execute":"qmp_capabilities","arguments":{"enable":[5]}}',
            error("Invalid parameter type for 'enable[0]', expected: string"),
        ),
        (
            b'{"execute":"qmp_capabilities","arguments":{"enable":["oob","foo"]},"id":[1]}',
            error("Parameter 'enable[1]' does not accept value 'foo'", id=[1]),
        ),
        (b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}', error("Capability oob not available")),
        (b'{"id":7}', error("QMP input lacks member 'execute'", id=7)),
        (b"[]", error("QMP input must be a JSON object")),
        (b"@", error("JSON parse error, stray '@'")),
    ],
)
def test_before_negotiation(words: bytes, answer: dict[str, Any]) -> None:
    talk = Talk()
    assert talk.say(words) == [answer]
    assert not talk.session.negotiated
    assert talk.counters == SessionCounters(protocol_errors=1)
    assert talk.say(b"\n", NEGOTIATE) == [{"return": {}}]


def test_negotiation_is_once() -> None:
    complete = "Capabilities negotiation is already complete, command ignored"
    assert negotiated().say(b'{"execute":"qmp_capabilities","id":1}') == [error(complete, "CommandNotFound", id=1)]


# requests


@pytest.mark.parametrize("id", [1, 1.5, "x", None, True, [1, {"a": None}], {"a": {"b": []}}, "\u00e9\0", 1 << 63])
def test_an_id_comes_back_whatever_it_is(id: Any) -> None:
    talk = negotiated()
    (answer,) = talk.say(json.dumps({"execute": "a", "id": id}).encode())
    assert answer == {"return": {"did": "a"}, "id": id}
    (answer,) = talk.say(json.dumps({"id": id}).encode())
    assert answer["id"] == id
    assert "id" not in talk.say(b'{"execute":"a"}')[0]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (b"[1]", error("QMP input must be a JSON object")),
        (b"5 ", error("QMP input must be a JSON object")),
        (b'"abc"', error("QMP input must be a JSON object")),
        (b'{"execute":5}', error("QMP input member 'execute' must be a string")),
        (b'{"foo":1}', error("QMP input member 'foo' is unexpected")),
        (b'{"execute":"a","arguments":5,"id":1}', error("QMP input member 'arguments' must be an object", id=1)),
        (b'{"execute":"a","control":{}}', error("QMP input member 'control' is unexpected")),
        (b'{"exec-oob":"a","id":3}', error("QMP input member 'exec-oob' is unexpected", id=3)),
        (b'{"arguments":{}}', error("QMP input lacks member 'execute'")),
        (b'{"execute":}', error("JSON parse error, expecting value")),
        (b'{"execute":"a","execute":"b"}', error("JSON parse error, duplicate key")),
    ],
)
def test_what_is_no_request(words: bytes, answer: dict[str, Any]) -> None:
    talk = negotiated()
    assert talk.say(words) == [answer]
    assert talk.counters == SessionCounters(protocol_errors=1)
    assert talk.say(b'{"execute":"a"}') == [{"return": {"did": "a"}}]


def test_requests_need_no_newline_and_are_answered_in_order() -> None:
    talk = negotiated()
    assert talk.say(b'{"execute":"a"}{"execute":"b","arguments":{"x":1}}', b'{"exec', b'ute":"c"}') == [
        {"return": {"did": "a"}},
        {"return": {"did": "b", "x": 1}},
        {"return": {"did": "c"}},
    ]
    assert talk.counters == SessionCounters(requests=3)


def test_a_request_that_fails() -> None:
    def refuse(request: Request) -> Any:
        raise QMPError("no", "DeviceNotFound")

    talk = negotiated(carry_out=refuse)
    assert talk.say(b'{"execute":"a","id":[]}') == [error("no", "DeviceNotFound", id=[])]
    assert talk.counters == SessionCounters(requests=1, errors=1)


def test_while_one_is_carried_out_the_others_wait() -> None:
    session = negotiated().session
    session.feed(b'{"execute":"a","id":1}{"execute":"b"}@')
    request = session.step()
    assert request == Request("a", {}, {"id": 1})
    assert session.busy
    assert session.step() is None
    assert session.answer([]) == b'{"return": [], "id": 1}\r\n'
    assert session.step() == Request("b", {})
    assert session.step() is None
    session.fail(QMPError("no"))
    assert isinstance(session.step(), bytes)  # of the '@'
    assert session.step() is None
    assert not session.busy


def test_reading_is_to_pause_when_much_waits_behind_a_request() -> None:
    session = negotiated().session
    session.feed(b'{"execute":"a"')
    session.feed(b" " * (MOST_HELD + 2))
    assert session.step() is None
    assert not session.full  # nothing is carried out
    session.feed(b"}")
    assert session.step() is not None
    assert not session.full
    session.feed(b'"' * (MOST_HELD + 1))
    assert session.full
    session.answer({})
    assert not session.full


def test_little_is_taken_before_the_negotiation() -> None:
    large = b'{"execute":"a","arguments":{"a":"%s"}}' % (b"x" * MOST_UNKNOWN)
    session = Session({}, False, SessionCounters())
    session.feed(large)
    assert b"JSON token size limit exceeded" in _bytes(session)
    session.feed(b'\n{"execute":"qmp_capabilities"}')
    while b"return" not in _bytes(session):
        pass
    session.feed(large)
    assert isinstance(session.step(), Request)


def _bytes(session: Session) -> bytes:
    step = session.step()
    assert isinstance(step, bytes)
    return step


@pytest.mark.parametrize("result", [object(), float("nan"), {"a": float("inf")}, {("a",): 1}, b"x"])
def test_what_is_not_json_is_not_sent(result: Any) -> None:
    session = negotiated().session
    session.feed(b'{"execute":"a","id":1}')
    session.step()
    with pytest.raises((TypeError, ValueError)):
        session.answer(result)
    assert session.busy
    assert session.fail(QMPError("no")).startswith(b'{"id": 1, "error"')


# what goes out


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\u00e9", r"\u00E9"),
        ("\U0001f600", r"\uD83D\uDE00"),
        ("\0\x1f\x7f", r"\u0000\u001F\u007F"),
        ("\b\f\n\r\t", r"\b\f\n\r\t"),
        ("\\ \" ' / <>", r"\\ \" ' / <>"),
        ("\\u00e9", r"\\u00e9"),
        ("\u00e9\\u00e9", r"\u00E9\\u00e9"),
    ],
)
def test_text_is_escaped_as_qemu_does(text: str, written: str) -> None:
    assert encode({"a": text}) == b'{"a": "' + written.encode() + b'"}\r\n'


@given(st.text())
def test_escapes_are_json(text: str) -> None:
    line = encode([text])
    assert line.isascii()
    assert json.loads(line) == [text]


def test_the_pretty_form() -> None:
    talk = Talk(pretty=True)
    assert talk.session.greeting().startswith(b'{\r\n    "QMP": {\r\n        "version": {\r\n            "qemu": {\r\n')
    talk.session.feed(NEGOTIATE)
    assert talk.session.step() == b'{\r\n    "return": {}\r\n}\r\n'
    talk.session.feed(b'{"execute":"a","id":"1\\n"}')
    talk.session.step()
    assert talk.session.answer([1]) == b'{\r\n    "return": [\r\n        1\r\n    ],\r\n    "id": "1\\n"\r\n}\r\n'


def test_an_event() -> None:
    assert event("STOP", {}, 1795434642.247683) == (
        b'{"timestamp": {"seconds": 1795434642, "microseconds": 247683}, "event": "STOP"}\r\n'
    )
    assert json.loads(event("X", {"a": [1]}, 7.9999999)) == {
        "timestamp": {"seconds": 8, "microseconds": 0},
        "event": "X",
        "data": {"a": [1]},
    }
    assert event("STOP", {}, 1, pretty=True).startswith(b'{\r\n    "timestamp": {\r\n')


# any bytes

REQUEST = st.fixed_dictionaries(
    {"execute": st.sampled_from(["a", "b", "qmp_capabilities"])},
    optional={"id": st.integers() | st.text() | st.none(), "arguments": st.dictionaries(st.text(), st.booleans())},
)
WORDS = st.lists(
    st.binary(max_size=4)
    | REQUEST.map(lambda request: json.dumps(request).encode())
    | st.sampled_from([b"{", b"}", b"'"]),
    max_size=12,
)


@given(WORDS)
def test_any_bytes_cut_anywhere_are_answered_the_same(words: list[bytes]) -> None:
    whole = b"".join(words)
    answers = Talk().say(NEGOTIATE, whole)
    assert Talk().say(NEGOTIATE, *words) == answers
    assert Talk().say(NEGOTIATE, *(whole[n : n + 1] for n in range(len(whole)))) == answers
    talk = Talk()
    talk.say(NEGOTIATE, whole)
    assert talk.say(b'\xff\n{"execute":"b","id":"end"}')[-1] == {"return": {"did": "b"}, "id": "end"}


@given(st.lists(REQUEST, max_size=10))
def test_each_request_has_one_answer(requests: list[dict[str, Any]]) -> None:
    talk = negotiated(carry_out=lambda request: {})
    answers = talk.say(b"".join(json.dumps(request).encode() for request in requests))
    assert [answer.get("id", "none") for answer in answers] == [request.get("id", "none") for request in requests]

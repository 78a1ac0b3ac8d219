"""JSON values from a byte stream in QEMU's dialect: whole, byte by byte, and whatever else may come."""

from __future__ import annotations

import json
import sys
import tracemalloc
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.control import json_stream
from colo_twisted.control.json_lexer import JSONError
from colo_twisted.control.json_stream import MOST_BYTES, MOST_NESTING, JSONStream, Value, string


def pull(stream: JSONStream, data: bytes) -> list[Any]:
    """What is found once data is fed: values, and errors as Text."""
    stream.feed(data)
    found: list[Any] = []
    while True:
        try:
            value = stream.next()
        except JSONError as error:
            found.append(Said(str(error)))
            continue
        if value is None:
            return found
        found.append(value.value)


class Said(str):
    """An error's text."""


def values(*pieces: bytes) -> list[Any]:
    stream = JSONStream()
    return [found for piece in pieces for found in pull(stream, piece)]


def bytewise(data: bytes) -> list[Any]:
    return values(*(data[n : n + 1] for n in range(len(data))))


def wrong(what: str) -> Said:
    return Said(f"JSON parse error, {what}")


VALUE, LIST, DICT = (
    wrong(what) for what in ("expecting value", "expected separator in list", "expected separator in dict")
)
KEY, COLON = wrong("key is not a string in object"), wrong("missing : in object pair")
DUPLICATE = wrong("duplicate key")
UTF8, ESCAPE = wrong("invalid UTF-8 sequence in string"), wrong("invalid escape sequence in string")


def code(text: str) -> Said:
    return wrong(f"{text} is not a valid Unicode character")


# each as QEMU 7.2 answers it
DIALECT: list[tuple[bytes, list[Any]]] = [
    (b'{"execute":"a"}', [{"execute": "a"}]),
    (b'{"a":1}{"a":2}', [{"a": 1}, {"a": 2}]),
    (b"{'a': 'b'} [] 5 true\n", [{"a": "b"}, [], 5, True]),
    (b"[true, false, null, {}, [], '', 1.5, -3]", [[True, False, None, {}, [], "", 1.5, -3]]),
    (b"5", []),
    (b"true", []),
    (b"foo ", [wrong("invalid keyword 'foo'")]),
    (b"foo,", [wrong("invalid keyword 'foo'"), VALUE]),
    (b"}", [VALUE]),
    (b"]", [VALUE]),
    (b"[}", [VALUE]),
    (b"{]", [VALUE]),
    (b"[1 2]", [LIST]),
    (b"[1}", [LIST]),
    (b"[1:2]", [LIST]),
    (b"[1,]", [VALUE]),
    (b"[,1]", [VALUE]),
    (b"{1:2}", [KEY]),
    (b"{true:1}", [KEY]),
    (b"{[]:1}", [KEY]),
    (b"{'a' 1}", [COLON]),
    (b"{'a'}", [COLON]),
    (b"{'a',}", [COLON]),
    (b"{'a':1,}", [VALUE]),
    (b"{'a':1 'b':2}", [DICT]),
    (b"{'a':1]", [DICT]),
    (b"{'a':}", [VALUE]),
    (b"{:}", [VALUE]),
    (b"{,}", [VALUE]),
    (b"{'a':1,'a':2}", [DUPLICATE]),
    (b"{'a':{'b':1,'b':2},'c':3}", [DUPLICATE]),
    (b"{'a':1,'a':}", [VALUE]),
    (b"{'a':1,'a' 2}", [COLON]),
    (b"{'a':[}", []),  # one bracket is open
    (b"{'a':[}]", [VALUE]),
    (b"{'a':@}{}", [wrong("stray '@'"), VALUE, {}]),
    (b"{'a':foo, @ {}", [wrong("stray '@'"), {}]),
    (b"[{'a':1,'a':2}, @]", [wrong("stray '@'"), VALUE]),
    (b"\xff{}", [wrong("stray '\ufffd'"), {}]),
    (b"{'a\xff{}", [wrong("stray ''a\ufffd'"), {}]),
    (b"99999999999999999999 18446744073709551615 -9223372036854775808 ", [1e20, 18446744073709551615, -(1 << 63)]),
    (b"-9223372036854775809 -0 -0.0 1e2 ", [-9.223372036854775808e18, 0, -0.0, 100.0]),
]


@pytest.mark.parametrize(("data", "expected"), DIALECT)
def test_qemus_dialect(data: bytes, expected: list[Any]) -> None:
    assert repr(values(data)) == repr(expected)
    assert repr(bytewise(data)) == repr(expected)


@pytest.mark.parametrize("token", [b"1e400", b"-1e400", b"9" * 400])
def test_a_number_is_finite(token: bytes) -> None:
    assert values(token + b" {}") == [wrong(f"number '{token[:100].decode()}' is out of range"), {}]


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (rb"'\'\"\/\b\f\n\r\t\\'", "'\"/\b\f\n\r\t\\"),
        (rb'"\u0041\u00e9\u00E9\ud83d\ude00\u0000"', "A\u00e9\u00e9\U0001f600\0"),
        ('"\u00e9\U0001f600\x7f"'.encode(), "\u00e9\U0001f600\x7f"),
        (b'"\xef\xbb\xbf"', "\ufeff"),
        (rb'"\ud83d\ude00\ufeff"', "\U0001f600\ufeff"),
        (rb'"\\u0041"', r"\u0041"),
    ],
)
def test_what_strings_say(token: bytes, text: str) -> None:
    assert string(token) == text
    assert bytewise(token) == [text]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (rb'"\x"', ESCAPE),
        ('"\\\u00e9"'.encode(), ESCAPE),
        (b"'\xed\xa0\x80'", UTF8),
        (b"'\xf4\x90\x80\x80'", UTF8),
        (b"'\xc3'", UTF8),
        (rb"'\ud800'", code(r"\ud800")),
        (rb"'\udc00'", code(r"\udc00")),
        (rb"'\ud83d\u0041'", code(r"\ud83d")),
        (rb"'\ude00\ud83d'", code(r"\ude00")),
        (rb"'\u12'", code(r"\u12")),
        (rb"'\uZZ99'", code(r"\uZZ99")),
        (rb"'\u'", code(r"\u")),
    ],
)
def test_strings_that_are_wrong(data: bytes, error: Said) -> None:
    assert values(data + b"{}") == [error, {}]
    assert bytewise(data + b"{}") == [error, {}]


# any bytes

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4), st.booleans(), st.sampled_from([b" ", b"\n", b"\r\n\t"]))
def test_what_is_written_is_found(written: list[Any], ascii: bool, between: bytes) -> None:
    data = b"".join(json.dumps(value, ensure_ascii=ascii).encode() + between for value in written)
    assert values(data) == written
    assert bytewise(data) == written


@given(
    st.lists(
        st.binary(max_size=5)
        | st.sampled_from([b"{'a':", b"}", b"[", b"]", b"'", b",", b"1", b"true", b"\\u", b"@", b"\n"]),
        max_size=40,
    )
)
def test_any_bytes_cut_anywhere_give_the_same(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    expected = repr(values(whole))
    assert repr(values(*pieces)) == expected
    assert repr(bytewise(whole)) == expected
    assert values(whole, b"\xff\n{'x': 1}")[-1] == {"x": 1}  # 0xFF ends whatever was begun


# limits


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_nesting_has_a_limit() -> None:
    assert len(values(nested(MOST_NESTING))) == 1
    deep = values(nested(MOST_NESTING + 1), b"\n{}")
    assert deep[0] == Said("JSON nesting depth limit exceeded")
    assert set(deep[1:-1]) == {VALUE}
    assert deep[-1] == {}
    assert values(b"{'a':" * (MOST_NESTING + 1))[0] == deep[0]


SIZE = Said("JSON token size limit exceeded")


@pytest.mark.parametrize("cut", [1 << 30, 65536, 4099])
def test_a_value_has_a_longest_form(cut: int) -> None:
    def cut_up(data: bytes) -> list[Any]:
        return values(*(data[n : n + cut] for n in range(0, len(data), cut)))

    assert cut_up(b"'" + b"x" * (MOST_BYTES - 2) + b"'") == ["x" * (MOST_BYTES - 2)]
    assert cut_up(b"'" + b"x" * (MOST_BYTES - 1) + b"' {}") == [SIZE, {}]
    assert cut_up(b"{'a': '" + b"x" * MOST_BYTES + b"'} {}") == [SIZE, VALUE, {}]
    assert cut_up(b"[" + b" " * (MOST_BYTES * 2) + b"]") == [[]]  # blanks don't count


def test_a_value_has_a_number_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MOST_TOKENS", 7)
    assert values(b"[1,2,3]") == [[1, 2, 3]]
    assert values(b"[1,2,3,4]\n{}") == [Said("JSON token count limit exceeded"), VALUE, {}]


# time and memory


def lines_for(data: bytes, piece: int) -> int:
    """How many lines of Python it takes to read that: a measure of time that a busy machine doesn't change."""
    lines = 0

    def traced(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return traced

    stream = JSONStream()
    before = sys.gettrace()
    sys.settrace(traced)
    try:
        for at in range(0, len(data), piece):
            pull(stream, data[at : at + piece])
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize("text", [b"'xxx", b"[", b"1", b"@\n", b"[1,", rb"'\\"])
def test_work_grows_with_the_bytes_alone(text: bytes, piece: int) -> None:
    some, more = ((text[:1] + (text[1:] or text) * size)[:size] for size in (1 << 10, 1 << 13))
    assert lines_for(more, piece) < 8 * 2 * lines_for(some, piece) + 1000  # a square: 64 times


@pytest.mark.parametrize(
    ("text", "times"), [(b"[1,1,1,", 1), (b"{'a':{", 1), (b"@@\n", 1), (b"[[", 1), (b"x", 24), (b"12345", 24)]
)
def test_memory_is_bounded_whatever_comes(text: bytes, times: int) -> None:
    data = (text * 65536)[:65536]
    tracemalloc.start()
    stream = JSONStream()
    stream.feed(b"'" if text == b"x" else b"")
    for _ in range(times):
        stream.feed(data)
        while not is_done(stream):
            pass
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 << 20
    assert most < 4 << 20


def is_done(stream: JSONStream) -> bool:
    try:
        return stream.next() is None
    except JSONError:
        return False


def test_a_value_is_not_nothing() -> None:
    stream = JSONStream()
    stream.feed(b"null [")
    assert stream.held == 6
    assert stream.next() == Value(None)
    assert stream.held == 2
    assert stream.next() is None
    assert stream.held == 0

"""Tokens from bytes that are cut anywhere; what is wrong is said once, and skipped as QEMU skips it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from colo_twisted.control.json_lexer import MOST_SHOWN, JSONError, Lexer


def tokens(data: bytes, *more: bytes, room: int = 1000) -> list[bytes | str]:
    """All tokens of the pieces; errors as text."""
    lexer = Lexer(room)
    found: list[bytes | str] = []
    for piece in (data, *more):
        lexer.feed(piece)
        while True:
            try:
                token = lexer.next()
            except JSONError as error:
                found.append(str(error))
                continue
            if token is None:
                break
            found.append(token)
    return found


def bytewise(data: bytes, room: int = 1000) -> list[bytes | str]:
    return tokens(b"", *(data[n : n + 1] for n in range(len(data))), room=room)


def stray(text: str) -> str:
    return f"JSON parse error, stray '{text}'"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b" {}[],:\t\r\n", [b"{", b"}", b"[", b"]", b",", b":"]),
        (b"true false nonsense ", [b"true", b"false", b"nonsense"]),
        (b"0 -0 17 -1.50 1e5 1E+5 0.25e-3 ", [b"0", b"-0", b"17", b"-1.50", b"1e5", b"1E+5", b"0.25e-3"]),
        (b"1,2", [b"1", b","]),  # a number may go on
        (b"0x1 ", [b"0", b"x", b"1"]),
        (b"12abc ", [b"12", b"abc"]),
        (b"\"a'b\"'a\"b'", [b'"a\'b"', b"'a\"b'"]),
        (rb'"\"" "\\" "\u00e9" ' + rb"'\''", [rb'"\""', rb'"\\"', rb'"\u00e9"', rb"'\''"]),
        (b'"\xc3\xa9\x7f"', [b'"\xc3\xa9\x7f"']),
        (b'"unfinished', []),
        (b"tru", []),
    ],
)
def test_tokens(data: bytes, expected: list[bytes]) -> None:
    assert tokens(data) == expected
    assert bytewise(data) == expected


# each as QEMU 7.2 answers it
ERRORS: list[tuple[bytes, list[bytes | str]]] = [
    (b"@", [stray("@")]),
    (b"@@ x 5 \n6 ", [stray("@"), b"6"]),
    (b"@\t5\r6 ", [stray("@"), b"6"]),
    (b"@ 'x' {}", [stray("@"), b"{", b"}"]),
    (b"@x:1 ", [stray("@"), b":", b"1"]),
    (b"@,", [stray("@"), b","]),
    (b"@\x01\xff[", [stray("@"), stray("\x01"), stray("\ufffd"), b"["]),
    (b"True ", [stray("T")]),
    (b"NaN ", [stray("N")]),
    (b"Infinity ", [stray("I")]),
    (b"-Infinity ", [stray("-I")]),
    (b"+1 ", [stray("+")]),
    (b".5 ", [stray(".")]),
    (b"01 ", [stray("01")]),
    (b"-a ", [stray("-a")]),
    (b"1. ", [stray("1. ")]),
    (b"1.x ", [stray("1.x")]),
    (b"1e ", [stray("1e ")]),
    (b"1e+ ", [stray("1e+ ")]),
    (b"1e]{}", [stray("1e]"), b"{", b"}"]),
    (b"-{}", [stray("-{"), b"}"]),
    (b"fooA ", [b"foo", stray("A")]),
    (b"x_ ", [b"x", stray("_")]),
    (b"/", [stray("/")]),
    (b"%d ", [stray("%")]),
    (b"\x00", [stray("")]),
    (b"\xc3\xa9", [stray("\ufffd")]),
    (b"'abc\n{}", [stray("'abc\n"), b"{", b"}"]),
    (b"'abc\n'x' {}", [stray("'abc\n"), b"{", b"}"]),
    (b'"\\\n', [stray('"\\\n')]),
    (b"'a\xff' ", [stray("'a\ufffd")]),
    (b'"a\x00', [stray('"a')]),
]


@pytest.mark.parametrize(("data", "expected"), ERRORS)
def test_what_is_wrong_is_said_once_and_skipped(data: bytes, expected: list[bytes | str]) -> None:
    assert tokens(data) == expected
    assert bytewise(data) == expected


def test_a_long_wrong_token_is_cut() -> None:
    (said,) = tokens(b'"' + b"x" * 500 + b"\n")
    assert said == stray('"' + "x" * (MOST_SHOWN - 1) + "...")


TOO_LONG = "JSON token size limit exceeded"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'"1234567890" 5 ', [TOO_LONG, b"5"]),
        (b'"12345678" 5 ', [b'"12345678"', b"5"]),
        (b'"123456789" 5 ', [TOO_LONG, b"5"]),
        (b"12345678901,5 ", [TOO_LONG, b",", b"5"]),
        (b"1234567890,5 ", [b"1234567890", b",", b"5"]),
        (b"abcdefghijklmnopqrst]", [TOO_LONG, b"]"]),
        # nothing of a string that is too long is taken for anything else
        (b"\"aaaaaaaaaaaaaaa {'execute': 'quit'} \\\" [1] \" 7 ", [TOO_LONG, b"7"]),
        (b'"aaaaaaaaaaaaaaa\n6\n7 ', [TOO_LONG, stray("\n"), b"7"]),
    ],
)
def test_a_token_that_is_too_long_is_passed_over(data: bytes, expected: list[bytes | str]) -> None:
    assert tokens(data, room=10) == expected
    assert bytewise(data, room=10) == expected


def test_of_what_was_given_out_or_passed_over_nothing_is_kept() -> None:
    lexer = Lexer(1000)
    lexer.feed(b"{ 'abc")
    assert lexer.next() == b"{"
    assert lexer.next() is None
    assert lexer.held == len("'abc")
    lexer.feed(b"x" * 1000)
    with pytest.raises(JSONError):
        lexer.next()
    for _ in range(100):
        lexer.feed(b"x" * 100)
        assert lexer.next() is None
        assert lexer.held == 0


PIECES = st.lists(
    st.binary(max_size=6)
    | st.sampled_from(
        [b"{", b"}", b"'", b'"', b"\\", b"-1.5e3", b"true", b"\n", b" ", b"@", b"\xff", b"\xc3\xa9", b"\\u00"]
    ),
    max_size=30,
)


@given(PIECES, st.integers(1, 20))
@example([b"'", b"xx", b"'"], 3)
def test_any_bytes_cut_anywhere_give_the_same(pieces: list[bytes], room: int) -> None:
    whole = b"".join(pieces)
    expected = tokens(whole, room=room)
    assert tokens(b"", *pieces, room=room) == expected
    assert bytewise(whole, room=room) == expected

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.ctl.words import (
    clock_time,
    columns,
    counted,
    cut,
    lasting,
    many,
    plain,
    said,
    shortened,
    sized,
    wrapped,
)

RED, END = "\x1b[31m", "\x1b[0m"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (12.4, "12 B"),
        (999, "999 B"),
        (999.6, "1.00 KB"),
        (1000, "1.00 KB"),
        (17_280, "17.3 KB"),
        (123_456, "123 KB"),
        (999_499, "999 KB"),
        (999_500, "1.00 MB"),
        (3_400_000_000, "3.40 GB"),
        (9.9e15, "9900 TB"),
    ],
)
def test_sizes_have_three_figures(count: float, text: str) -> None:
    assert sized(count) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (0.04, "0.0"), (1.25, "1.2"), (7.0, "7"), (1234.4, "1,234")])
def test_counts(number: float, text: str) -> None:
    assert counted(number) == text


def test_one_and_many() -> None:
    assert [many(number, "packet") for number in (0, 1, 1234)] == ["0 packets", "1 packet", "1,234 packets"]
    assert many(2, "query", "queries") == "2 queries"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7_980, "2 h 13 min"),
        (86_400 * 400 + 59, "400 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_times_have_two_units(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_a_moment_has_its_date_if_it_is_long_ago() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock_time(1e9 - 60, 1e9))
    assert re.fullmatch(r"2001-09-0\d \d\d:\d\d:\d\d", clock_time(1e9 - 86_400, 1e9))


def test_columns_are_aligned_whatever_their_colour() -> None:
    rows = [["NAME", "", "SIZE"], ["a", f"{RED}DOWN{END}", "1 B"], ["longer", "up", "123 B"]]
    assert columns(rows, right=(2,), indent=1) == [
        " NAME           SIZE",
        f" a       {RED}DOWN{END}    1 B",
        " longer  up    123 B",
    ]
    assert columns([]) == []


def test_words_are_wrapped_whole() -> None:
    assert wrapped(["one", "two", "three", "four"], 13, "first ", "   ") == ["first one two", "   three four"]
    assert wrapped(["x" * 20, "y"], 10) == ["x" * 20, "y"]
    assert wrapped([], 10, "label") == ["label"]
    assert wrapped([], 10) == []


@given(st.lists(st.text("abc", min_size=1, max_size=9), max_size=20), st.integers(10, 40))
def test_wrapping_keeps_every_word_and_the_width(words: list[str], width: int) -> None:
    lines = wrapped(words, width)
    assert " ".join(lines).split() == words
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", range(8))
def test_cutting_counts_what_is_seen(width: int) -> None:
    text = f"ab{RED}cd{END}ef"
    seen = "abcdef"[:width]
    assert cut(text, width).replace(RED, "").replace(END, "") == seen
    assert END in cut(text, width)


def test_a_long_name_loses_its_middle() -> None:
    assert shortened("/run/colo/guest.sock", 20) == "/run/colo/guest.sock"
    assert shortened("/run/colo/guests/one.sock", 20) == "/run/col.../one.sock"
    assert len(shortened("x" * 50, 21)) == 21


def test_what_others_say_does_nothing_to_a_terminal() -> None:
    assert said("a\x1b[2Jb\nc\x9b") == "a?[2Jb?c?"
    assert said(12) == "12"
    assert plain("text", "red") == "text"

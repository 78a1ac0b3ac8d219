"""Lists of keys and values: split and join are each other's inverse."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from colo_twisted.options.keyval import Pairs, join, split
from tests.support.strategies import keys, texts, values

pairs = st.lists(st.tuples(keys, values), max_size=6)
flags = texts.filter(lambda text: text == text.strip() and "=" not in text and text[0] != ",").map(
    lambda text: (None, text)
)


@given(pairs)
@example([("path", "/tmp/a,b"), ("host", ""), ("id", "x=y,=z,,"), ("v", ",")])
@example([("a,b", ",,"), ("c", ",,,")])
@example([("host", "  two blanks lead")])
def test_split_takes_apart_what_join_has_joined(given_pairs: Pairs) -> None:
    assert split(join(given_pairs)) == given_pairs


@given(st.lists(flags | st.tuples(keys, values), max_size=6))
def test_split_takes_apart_elements_without_a_key_too(given_pairs: Pairs) -> None:
    assert split(join(given_pairs)) == given_pairs


@given(st.text(st.sampled_from("ab=, \t"), max_size=20))
def test_whatever_is_split_and_joined_splits_alike(text: str) -> None:
    once = split(text)
    assert split(join(once)) == once


@given(st.text(max_size=40))
def test_no_text_is_too_odd_to_split(text: str) -> None:
    for key, value in split(text):
        assert key is None or "=" not in key
        assert key is not None or value == value.strip() != ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (",", []),
        ("socket", [(None, "socket")]),
        ("socket,id=c0", [(None, "socket"), ("id", "c0")]),
        ("socket ,id=c0", [(None, "socket"), ("id", "c0")]),  # the COLO-proxy document's
        ("socket,id=c0,", [(None, "socket"), ("id", "c0")]),
        ("socket, id=c0 , server ,nowait", [(None, "socket"), ("id", "c0"), (None, "server"), (None, "nowait")]),
        ("a=1,,2", [("a", "1,2")]),
        ("a=1,,,b=2", [("a", "1,"), ("b", "2")]),
        ("a=,,", [("a", ",")]),
        ("a=,,,,", [("a", ",,")]),
        ("a=,b=", [("a", ""), ("b", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("position=id=f1", [("position", "id=f1")]),
        ("=x", [("", "x")]),
        ("a = b", [("a", " b")]),
    ],
)
def test_split(text: str, expected: Pairs) -> None:
    assert split(text) == expected


def test_equal_keys_stay_in_order() -> None:
    assert split("a=1,b=2,a=3") == [("a", "1"), ("b", "2"), ("a", "3")]

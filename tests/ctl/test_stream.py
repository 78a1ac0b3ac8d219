from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.ctl import stream
from colo_twisted.ctl.stream import JSONObjects, NotJSON

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=4)


@given(OBJECTS, st.data())
def test_objects_come_whole_however_they_are_written_and_cut(
    objects: list[dict[str, Any]], data: st.DataObject
) -> None:
    texts = [
        json.dumps(
            one,
            indent=data.draw(st.sampled_from([None, 4])),
            ensure_ascii=data.draw(st.booleans()),
        )
        for one in objects
    ]
    written = data.draw(st.sampled_from(["", "\r\n", " "])).join(texts).encode("utf-8", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6)))
    found = JSONObjects()
    pieces = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)])]
    assert [one for piece in pieces for one in found.feed(piece)] == objects


def test_byte_by_byte_each_object_comes_with_its_last_byte() -> None:
    written = b'{"a": "}\\"{"}\r\n{"b": {"c": [1, {}]}}\r\n'
    found = JSONObjects()
    came = {at: objects for at, byte in enumerate(written) if (objects := found.feed(bytes([byte])))}
    assert came == {12: [{"a": '}"{'}], 35: [{"b": {"c": [1, {}]}}]}


def test_a_large_string_is_no_trouble() -> None:
    found = JSONObjects()
    written = json.dumps({"data": "x" * 3_000_000}).encode()
    pieces = [written[at : at + 65_536] for at in range(0, len(written), 65_536)]
    assert [len(one["data"]) for piece in pieces for one in found.feed(piece)] == [3_000_000]


@pytest.mark.parametrize(
    "data",
    [b"\0\0\0\x0e", b"SSH-2.0\r\n", b'"text"', b"[1]", b"}", b"{1: 2}", b'{"a" 1}', b"{}]", b"{" * 5000 + b"}" * 5000],
)
def test_what_is_no_stream_of_objects(data: bytes) -> None:
    with pytest.raises(NotJSON):
        JSONObjects().feed(data)


def test_an_object_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_MOST", 1000)
    found = JSONObjects()
    assert found.feed(b'{"a": "' + b"x" * 900) == []
    with pytest.raises(NotJSON, match="an object has no end"):
        found.feed(b"x" * 200)

from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.ctl.errors import Refused
from colo_twisted.ctl.settings import Setting, changeable_ids, object_ids, settings, taken_apart, with_unit
from colo_twisted.options.kinds import Boolean, Choice, Duration, Integer, Kind, Position, Size
from tests.ctl.canned import CannedClient
from tests.ctl.objects import COMMIT, ON_DIVERGENCE, STATUS, TIMEOUT, a_server


def test_the_ids_of_all_objects() -> None:
    assert object_ids(CannedClient(a_server()), 1.0) == ["m0", "comp0", "iothread1", "rew0"]


def test_the_ids_of_objects_of_some_types() -> None:
    client = CannedClient(a_server())
    assert object_ids(client, 1.0, ("colo-compare", "filter-rewriter")) == ["comp0", "rew0"]
    assert object_ids(client, 1.0, ("colo-peer",)) == []


def test_the_ids_of_objects_of_which_anything_can_be_changed() -> None:
    assert changeable_ids(CannedClient(a_server()), 1.0) == ["m0", "comp0"]


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (Duration("ms", 1, 10), "3", "3 (ms)"),
        (Duration("us", 1, 10), "3", "3 (us)"),
        (Duration("s", 1, 10), "3", "3 (s)"),
        (Duration("ms", 1, 10), "3s", "3s"),
        (Size(), "1024", "1024 (bytes)"),
        (Size(), "1K", "1K"),
        (Integer(0, 10), "3", "3"),
        (Kind(), "3", "3"),
    ],
)
def test_a_bare_number_is_shown_with_the_unit_of_its_kind(kind: Kind, text: str, shown: str) -> None:
    assert with_unit(text, kind.allowed) == shown


@pytest.mark.parametrize(
    ("takes", "words"),
    [
        (Choice("checkpoint", "release", "isolate").allowed, ["checkpoint", "release", "isolate"]),
        (Choice("a-b", "c").allowed, ["a-b", "c"]),
        (Boolean().allowed, ["on", "off"]),
        (Position().allowed, []),
        (Duration("ms", 1, 10).allowed, []),
        (Kind().allowed, []),
        ("", []),
    ],
)
def test_the_few_words_that_a_property_may_be(takes: str, words: list[str]) -> None:
    assert Setting("x", "", "", takes).words == words


def test_what_can_be_changed_of_one_object() -> None:
    assert settings(CannedClient(a_server()), "comp0", 1.0) == {
        "comp0": [
            Setting("compare_timeout", 3000, *TIMEOUT),
            Setting("ack_commit", True, *COMMIT),
            Setting("on_divergence", "checkpoint", *ON_DIVERGENCE),
        ]
    }


def test_what_can_be_changed_of_all_that_have_any() -> None:
    found = settings(CannedClient(a_server()), None, 1.0)
    assert list(found) == ["m0", "comp0"]
    assert found["m0"] == [Setting("status", "on", *STATUS)]


def test_an_object_that_goes_meanwhile_has_no_values() -> None:
    def gone(_: dict[str, Any]) -> Any:
        raise Refused("qom-get", "DeviceNotFound", "Device '/objects/m0' not found")

    server = a_server(qom_get=gone)
    assert settings(CannedClient(server), "m0", 1.0) == {"m0": [Setting("status", None, *STATUS)]}


def test_values_are_written_as_on_a_command_line() -> None:
    texts = [Setting("x", value, "", "").text for value in (True, False, "on", 3000, None)]
    assert texts == ["on", "off", "on", "3000", ""]


@pytest.mark.parametrize(
    ("description", "parts"),
    [
        ("so long (a time (s, ms))", ("so long", "a time (s, ms)")),
        ("a limit (at most) of it (a number)", ("a limit (at most) of it", "a number")),
        ("without any", ("without any", "")),
        ("not balanced)", ("not balanced)", "")),
    ],
)
def test_a_description_is_taken_apart_at_its_last_brackets(description: str, parts: tuple[str, str]) -> None:
    assert taken_apart(description) == parts

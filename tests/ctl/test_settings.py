from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.ctl.errors import Refused
from colo_twisted.ctl.settings import Setting, object_ids, settings, taken_apart
from tests.ctl.canned import CannedClient
from tests.ctl.objects import COMMIT, STATUS, TIMEOUT, a_server


def test_the_ids_of_all_objects() -> None:
    assert object_ids(CannedClient(a_server()), 1.0) == ["m0", "comp0", "iothread1"]


def test_what_can_be_changed_of_one_object() -> None:
    assert settings(CannedClient(a_server()), "comp0", 1.0) == {
        "comp0": [Setting("compare_timeout", 3000, *TIMEOUT), Setting("ack_commit", True, *COMMIT)]
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

"""What every option with a link checks of itself, and claims."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from colo_twisted.link import properties
from colo_twisted.link.properties import LONGEST_UNIX_PATH, ServerOrClient
from colo_twisted.options.errors import OptionError


@pytest.mark.parametrize(
    ("given", "seconds"), [({}, 1.0), ({"reconnect": 3}, 3.0), ({"reconnect_ms": 250}, 0.25), ({"reconnect": 0}, 0.0)]
)
def test_the_delay_is_in_seconds_however_it_was_given(given: dict[str, Any], seconds: float) -> None:
    assert ServerOrClient(id="a", **given).reconnect_seconds == seconds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reconnect": 1, "reconnect_ms": 5}, "exclude each other"),
        ({"server": True, "reconnect": 1}, "'reconnect' is for clients"),
        ({"server": True, "reconnect_ms": 1}, "'reconnect-ms' is for clients"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ServerOrClient(id="a", **given).check()


def test_a_link_claims_what_no_other_can_have() -> None:
    assert properties.link_claims(5) == ("descriptor 5",)
    assert properties.link_claims(None, "/a") == ("unix socket /a",)
    assert properties.link_claims(None, "a", abstract=True) == ("unix socket @a",)
    assert properties.link_claims(None) == ()


def test_a_path_must_fit_the_kernels_address() -> None:
    properties.check_unix_path("path", None)
    properties.check_unix_path("path", "x" * LONGEST_UNIX_PATH)
    with pytest.raises(OptionError, match="'path' takes at most 107 bytes"):
        properties.check_unix_path("path", "x" * (LONGEST_UNIX_PATH + 1))


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    properties.check_folder("path", str(tmp_path / "s"))
    properties.check_folder("path", "here")
    with pytest.raises(OptionError, match="there is no folder /no/such"):
        properties.check_folder("path", "/no/such/s")


def test_a_descriptor_must_be_a_socket() -> None:
    properties.check_socket("fd", None)
    reader, writer = os.pipe()
    with pytest.raises(OptionError, match=f"descriptor {reader} is not a socket"):
        properties.check_socket("fd", reader)
    os.close(reader)
    os.close(writer)
    with pytest.raises(OptionError, match=f"no descriptor {reader}"):
        properties.check_socket("fd", reader)

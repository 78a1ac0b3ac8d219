"""The place of the one front end."""

from __future__ import annotations

import pytest

from colo_twisted.chardev.base import Chardev
from colo_twisted.interfaces import FrontEnd
from colo_twisted.options import StartError


def test_it_has_one_front_end_and_says_who_when_another_comes() -> None:
    chardev = Chardev("c0")
    assert chardev.front_end is None
    first = FrontEnd("filter-mirror 'm0'")
    chardev.attach(first)
    with pytest.raises(
        StartError, match=r"^chardev 'c0' is taken by filter-mirror 'm0', filter-mirror 'm1' can't have it$"
    ):
        chardev.attach(FrontEnd("filter-mirror 'm1'"))
    assert chardev.front_end is first


def test_its_place_is_free_again_after_a_front_end_has_left() -> None:
    chardev = Chardev("c0")
    chardev.attach(FrontEnd("the first"))
    chardev.detach()
    assert chardev.front_end is None
    second = FrontEnd("the second")
    chardev.attach(second)
    assert chardev.front_end is second


def test_by_itself_it_takes_nothing_that_must_be_given_back() -> None:
    chardev = Chardev("c0")
    chardev.open()
    assert chardev.start() is None
    assert chardev.close() is None


def test_a_front_end_may_ignore_events() -> None:
    front_end = FrontEnd("someone")
    front_end.connection_changed(True)
    front_end.pressure_changed(True)
    assert front_end.receive is None
    assert front_end.vnet_hdr is False

"""What all filters have."""

from __future__ import annotations

import pytest

from colo_twisted.interfaces import Direction, IFilter
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options import OptionError, declare
from colo_twisted.options.keyval import split
from tests.support.fakes import FakeMachine, batch_of, packet


def a_filter(text: str) -> Filter:
    return Filter(declare.parse(FilterProperties, split(text)), FakeMachine())


def test_the_defaults_are_qemus() -> None:
    made = a_filter("id=f0,netdev=hn0")
    assert made.directions == {Direction.TX, Direction.RX}
    assert made.status is True
    assert (made.position, made.insert) == ("tail", "behind")


@pytest.mark.parametrize(
    ("queue", "directions"),
    [("tx", {Direction.TX}), ("rx", {Direction.RX}), ("all", {Direction.TX, Direction.RX})],
)
def test_queue_says_which_way_it_looks(queue: str, directions: set[Direction]) -> None:
    assert a_filter(f"id=f0,netdev=hn0,queue={queue}").directions == directions


def test_its_place_and_switch_are_as_given() -> None:
    made = a_filter("id=f0,netdev=hn0,status=off,position=id=f9,insert=before")
    assert (made.id, made.netdev, made.status, made.position, made.insert) == ("f0", "hn0", False, "id=f9", "before")


def test_a_queue_that_does_not_exist_is_an_error_that_says_which_do() -> None:
    with pytest.raises(OptionError, match=r"^property 'queue' takes all, rx or tx; got 'both'$"):
        a_filter("id=f0,netdev=hn0,queue=both")


def test_it_uses_the_machines_reactor_and_logs_under_its_id() -> None:
    machine = FakeMachine()
    made = Filter(FilterProperties(id="f0", netdev="hn0"), machine)
    assert made.machine is machine
    assert made.reactor is machine.reactor
    assert made.report.name == "Filter f0"


def test_by_itself_it_is_a_filter_that_lets_everything_pass() -> None:
    batch = batch_of(packet())
    made = a_filter("id=f0,netdev=hn0")
    assert IFilter.providedBy(made)
    assert made.receive(batch, Direction.TX) is batch


def test_by_itself_it_needs_nothing_runs_nothing_and_holds_nothing() -> None:
    made = a_filter("id=f0,netdev=hn0")
    before = dict(vars(made))
    made.open()
    made.start()
    made.stop()
    assert vars(made) == before
    assert made.machine.the_chain.injected == []  # type: ignore[attr-defined]
    assert made.reactor.getDelayedCalls() == []

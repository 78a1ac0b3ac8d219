"""What is told, in QMP's spelling, and to whom."""

from __future__ import annotations

import dataclasses

import pytest
from twisted.logger import capturedLogs

from colo_twisted.events import ALL_EVENTS, DeviceDeleted, Event, Events, NetdevStreamDisconnected, ReplicaState

STATE = ReplicaState("comp0", "synced", "")


@pytest.mark.parametrize("event", ALL_EVENTS)
def test_likeness_is_by_fields_that_are_there(event: type[Event]) -> None:
    assert set(event.like) <= {field.name for field in dataclasses.fields(event)}
    assert event.name.isupper()


def test_all_names_differ() -> None:
    assert len({event.name for event in ALL_EVENTS}) == len(ALL_EVENTS)


def test_every_event_is_in_the_list() -> None:
    ours = {event for event in Event.__subclasses__() if event.__module__ == Event.__module__}
    assert set(ALL_EVENTS) == ours


def test_data_is_spelt_as_qmp_does_and_leaves_out_what_is_not_known() -> None:
    assert NetdevStreamDisconnected("s0").data == {"netdev-id": "s0"}
    assert DeviceDeleted(None, "/machine/peripheral-anon/NIC0").data == {"path": "/machine/peripheral-anon/NIC0"}


def test_those_who_listen_are_told_until_they_do_no_more() -> None:
    events = Events()
    told: list[Event] = []
    events.subscribe(told.append)
    events.emit(STATE)
    events.unsubscribe(told.append)
    events.unsubscribe(told.append)
    events.emit(STATE)
    assert told == [STATE]


def test_one_may_leave_while_being_told() -> None:
    events = Events()
    told: list[Event] = []

    def once(event: Event) -> None:
        told.append(event)
        events.unsubscribe(once)

    events.subscribe(once)
    events.subscribe(told.append)
    events.emit(STATE)
    events.emit(STATE)
    assert told == [STATE, STATE, STATE]


def test_one_who_fails_harms_nobody() -> None:
    events = Events()
    told: list[Event] = []
    events.subscribe(lambda event: told[99].name and None)
    events.subscribe(told.append)
    with capturedLogs() as logged:
        events.emit(STATE)
    assert told == [STATE]
    assert len(logged) == 1

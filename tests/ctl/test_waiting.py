from __future__ import annotations

from colo_twisted.ctl.waiting import in_one_line, is_monitors, missing_for_ready, missing_for_synced
from tests.ctl.canned import CHARDEVS, LOST, REPLICA

RUNNING = {"status": "running"}


def test_nothing_is_missing_when_all_channels_are_up() -> None:
    assert missing_for_ready(RUNNING, REPLICA, CHARDEVS) == []
    assert missing_for_ready(RUNNING, {"mode": "none", "state": "none"}, []) == []


def test_what_is_missing_until_it_is_ready_is_named() -> None:
    down = [{**CHARDEVS[1], "connected": False}, {"label": "c9", "filename": "null", "connected": False}]
    assert missing_for_ready({"status": "prelaunch"}, LOST, down) == [
        "status is prelaunch, not running",
        "secondary_in is down",
        "chardev mirror0 has no peer",
    ]


def test_a_monitor_without_a_client_is_not_missing() -> None:
    monitors = [
        {**CHARDEVS[0], "connected": False},
        {"label": "q1", "connected": False, "used-by": "monitor 'mon1'"},
    ]
    assert missing_for_ready(RUNNING, REPLICA, monitors) == []
    assert all(map(is_monitors, monitors))
    assert not is_monitors(CHARDEVS[1])
    assert not is_monitors({"label": "compat_monitor9", "used-by": "filter-mirror 'monitor'"})


def test_synced_is_a_state() -> None:
    assert missing_for_synced(REPLICA) == []
    assert missing_for_synced(LOST) == [
        "state is lost (secondary_in is down)",
        "nobody is connected to chardev 'compare1', so nothing is protected",
    ]
    assert missing_for_synced({"state": "joining"}) == ["state is joining"]
    assert missing_for_synced({"state": "none"}) == [
        "there is no replica here: no colo-compare or colo-peer (colo-ctl status)"
    ]


def test_a_long_list_is_counted() -> None:
    assert in_one_line(["a", "b"]) == "a; b"
    assert in_one_line(list("abcdefg")) == "a; b; c; d; and 3 more"

from __future__ import annotations

from colo_twisted.ctl.picture import Picture
from colo_twisted.ctl.top import other_counters, standing, top_lines, traffic
from colo_twisted.ctl.words import clock_time, plain
from tests.ctl.canned import CHAINS, CHARDEVS, LOST, NOON

MOVING = {
    "netdev hn0": {"frames_in": 1234.0, "bytes_in": 1.2e6, "frames_out": 0.0, "bytes_out": 0.0, "queued": 0.0},
    "chardev c0": {"frames_out": 7.0, "bytes_out": 1000.0, "dropped_no_peer": 0.25},
    "object comp0": {"released": 2000.0, "held_bytes": 12.0, "hold_us_median": 0.0},
    "object f1": {"injected": 0.0},
}
COUNTERS = {
    "netdev hn0": {"frames_in": 5.0},
    "chardev c0": {"dropped_no_peer": 3.0},
    "object comp0": {"released": 5.0, "held_bytes": 17_280.0, "hold_us_median": 312.0, "unprotected_flows": 0.0},
    "object f1": {"injected": 0.0},
}


def test_traffic_has_a_row_for_what_frames_go_through() -> None:
    assert traffic(MOVING, plain) == [
        "TRAFFIC     IN frames/s  bytes/s  OUT frames/s  bytes/s",
        "netdev hn0        1,234  1.20 MB             0      0 B",
        "chardev c0            0      0 B             7  1.00 KB",
    ]
    assert traffic({"object f1": {"injected": 1.0}}, plain) == []


def test_other_counters_that_move() -> None:
    assert other_counters(MOVING, plain) == [
        "COUNTERS, a second",
        "chardev c0    dropped_no_peer 0.2/s",
        "object comp0  released 2,000/s",
    ]
    assert other_counters({"object f1": {"injected": 0.0}}, plain) == []


def test_what_goes_up_and_down_stands_apart_by_its_value() -> None:
    assert standing(MOVING, COUNTERS, plain) == [
        "VALUES, now",
        "object comp0  held_bytes=17,280, hold_us_median=312",
    ]
    assert standing({"object f1": {"injected": 0.0}}, COUNTERS, plain) == []


def test_drops_stand_out() -> None:
    lines = other_counters(MOVING, lambda text, colour: f"<{colour}>{text}</>" if colour == "red" else text)
    assert "chardev c0    <red>dropped_no_peer 0.2/s</>" in lines


def test_the_screen_begins_with_the_time_and_the_state() -> None:
    picture = Picture("alpha", "colo_twisted 0.1.0", "running", LOST, CHAINS, CHARDEVS, [])
    monitors = {"chardev compat_monitor0": {"bytes_in": 1.0}, "monitor compat_monitor0": {"requests": 9.0}}
    lines = top_lines(picture, {**MOVING, **monitors}, COUNTERS, NOON)
    assert not [line for line in lines if "monitor" in line]  # what it does itself
    assert lines[0] == f"{clock_time(NOON, NOON)}  alpha: primary, running, 1 problem (colo_twisted 0.1.0)"
    assert lines[1].startswith("state        lost for 5 s")
    assert "PROBLEM      nobody is connected to chardev 'compare1', so nothing is protected" in lines
    assert "channels     secondary_in DOWN, 2 up" in lines
    assert lines.index("VALUES, now") > lines.index("COUNTERS, a second")
    assert lines.index("COUNTERS, a second") > lines.index("TRAFFIC     IN frames/s  bytes/s  OUT frames/s  bytes/s")

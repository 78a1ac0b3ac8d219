from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.ctl.picture import Picture
from colo_twisted.ctl.status import (
    chain_lines,
    channels,
    chardevs,
    checkpoints,
    divergence_line,
    divergences,
    filter_lines,
    fitted,
    head,
    held,
    problems,
    rate_line,
    screen,
    state_lines,
    user,
)
from colo_twisted.ctl.words import clock_time, plain
from tests.ctl.canned import CHAINS, CHARDEVS, DIVERGENCE, LOST, NOON, REPLICA

RATES = {"netdev hn0": {"frames_in": 1234.0, "bytes_in": 1.2e6, "frames_out": 2345.0, "bytes_out": 3.4e6}}


def picture(replica: dict[str, Any] = REPLICA, found: int = 0, **more: Any) -> Picture:
    given = {"name": "alpha", "version": "colo_twisted 0.1.0", "status": "running", "chains": CHAINS}
    return Picture(replica=replica, divergences=[DIVERGENCE] * found, **{**given, "chardevs": CHARDEVS, **more})


def shown(text: str, colour: str) -> str:
    """A Paint that can be read."""
    return f"<{colour}>{text}</>"


# the whole


def test_an_ordinary_pair() -> None:
    since = clock_time(NOON - 7_980, NOON)
    assert screen(picture(), RATES, NOON) == [
        "alpha: primary, running, all is well (colo_twisted 0.1.0)",
        f"state        synced for 2 h 13 min, since {since}",
        "",
        "CHARDEV                        PEER             BACKLOG  USED BY",
        "mirror0                    up  10.22.1.3:40122      0 B  m0",
        "compare1                   up  10.22.1.3:40124      0 B  comp0",
        "peer0                      up  10.22.1.3:40126  12.3 KB  cp0",
        "compare0, compare0-0       up  pair                      redire1, comp0",
        "compare_out, compare_out0  up  pair                      redire0, comp0",
        "",
        "netdev hn0   tap lan up, guest e0 up, offloads on",
        "             in 1,234 frames/s, 1.20 MB/s; out 2,345 frames/s, 3.40 MB/s",
        "             network > m0 (mirror tx) > redire0 (redirector rx) >",
        "               redire1 (redirector rx) > guest",
        "",
        "channels     all 5 up",
        "held         12 packets, 17.3 KB; 1,234 connections, 3 unprotected",
        "checkpoint   idle; 3 done, 1 failed, the last took 120 ms",
    ]


@pytest.mark.parametrize("replica", [REPLICA, LOST])
@pytest.mark.parametrize("found", [0, 1, 3])
def test_it_fits_a_screen_with_the_prompt_below(replica: dict[str, Any], found: int) -> None:
    lines = screen(picture(replica, found), RATES, NOON)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("#17") for line in lines) >= min(found, 1)


def test_without_rates_there_is_no_line_of_them() -> None:
    assert not [line for line in screen(picture(), None, NOON) if "frames/s" in line]


def test_blank_lines_go_where_it_would_not_fit() -> None:
    parts = [["a"] * 10, ["b"] * 11]
    assert fitted(parts, 24) == ["a"] * 10 + [""] + ["b"] * 11
    assert fitted([*parts, ["c"]], 24) == ["a"] * 10 + ["b"] * 11 + ["c"]


# how it is


def test_the_head_says_how_many_problems_there_are() -> None:
    assert head(picture(LOST), NOON, plain)[0] == "alpha: primary, running, 1 problem (colo_twisted 0.1.0)"


def test_a_process_that_replicates_nothing() -> None:
    nothing = {"mode": "none", "state": "none", "reason": "", "since": 0.0, "problems": []}
    assert screen(picture(nothing, chains=[], chardevs=[], name=None, status="prelaunch"), None, NOON) == [
        "twistd colo: no replication, prelaunch, all is well (colo_twisted 0.1.0)"
    ]


def test_the_state_is_said_with_its_reason() -> None:
    replica = {"state": "lost", "reason": "secondary_in is down\x1b", "since": 5.0}
    assert state_lines(replica, NOON, plain) == [
        f"state        lost for 5 s, since {clock_time(NOON - 5, NOON)}: secondary_in is down?"
    ]
    unknown = {"state": "none", "reason": "there is no colo-peer: only the primary knows", "since": 0.0}
    assert state_lines(unknown, NOON, plain) == ["state        none: there is no colo-peer: only the primary knows"]


@pytest.mark.parametrize(
    ("state", "colour"), [("synced", "green"), ("joining", "yellow"), ("lost", "red"), ("another", "yellow")]
)
def test_states_have_colours(state: str, colour: str) -> None:
    (line,) = state_lines({"state": state, "since": 1.0}, NOON, shown)
    assert line.startswith(f"state        <{colour}>{state}</> for 1 s")


def test_problems_are_told_with_what_to_do() -> None:
    assert problems(LOST["problems"], plain) == [
        "PROBLEM      nobody is connected to chardev 'compare1', so nothing is protected",
        "  remedy     start the secondary, or look at the cable to it: its red1 connects",
        "             to 10.22.1.2:9004",
    ]
    assert problems([{"what": "odd"}], plain) == ["PROBLEM      odd"]


def test_problems_with_one_remedy_share_it() -> None:
    found = [{"what": what, "remedy": remedy} for what, remedy in (("a", "x"), ("b", "x"), ("c", "y"))]
    assert [line.split() for line in problems(found, plain)] == [
        ["PROBLEM", "a"],
        ["PROBLEM", "b"],
        ["remedy", "x"],
        ["PROBLEM", "c"],
        ["remedy", "y"],
    ]


def test_a_screen_has_the_worst_problems_and_how_to_see_the_others() -> None:
    many = {**LOST, "problems": LOST["problems"] * 9}
    few = screen(picture({**many, "problems": LOST["problems"] * 4}, 3), RATES, NOON)
    lines = screen(picture(many, 3), RATES, NOON)
    everything = screen(picture(many, 3), RATES, NOON, height=1000)
    assert [line for line in lines if "more problems" in line] == [
        "             and 6 more problems (colo-ctl status --all)"
    ]
    assert max(len(few), len(lines)) <= 23
    assert sum(line.startswith("PROBLEM") for line in everything) == 9
    assert sum(line.startswith("#17") for line in everything) == 3


def test_each_kind_of_problem_is_shown_before_others_are_only_counted() -> None:
    found = [{"what": f"{number} has no peer", "remedy": "start the other side"} for number in range(3)]
    found += [{"what": "TAP e0 is down", "remedy": "ip link set e0 up"}, {"what": "odd"}]
    lines = problems(found, plain, most=1)
    assert [line[13:] for line in lines] == [
        "0 has no peer",
        "start the other side",
        "TAP e0 is down",
        "ip link set e0 up",
        "odd",
        "and 2 more problems (colo-ctl status --all)",
    ]
    assert len([line for line in problems(found, plain, most=4) if "has no peer" in line]) == 2
    assert not [line for line in problems(found, plain, most=5) if "more problem" in line]


def test_many_kinds_of_problems_may_take_more_than_a_screen() -> None:
    kinds = [{"what": f"{number} is wrong", "remedy": f"mend {number}"} for number in range(12)]
    lines = screen(picture({**LOST, "problems": kinds}), RATES, NOON)
    assert sum(line.startswith("PROBLEM") for line in lines) == 12
    assert "" not in lines


@pytest.mark.parametrize(
    ("state", "said"), [("alone", "alone"), ("taken-over", "taken-over"), ("none", "no replication")]
)
def test_without_a_mode_the_head_has_the_state(state: str, said: str) -> None:
    (first, *_) = head(picture({**REPLICA, "mode": "none", "state": state}), NOON, plain)
    assert first.startswith(f"alpha: {said}, running, ")


# channels


def test_a_chardev_that_is_down_shows_where_its_peer_is_awaited() -> None:
    down = {**CHARDEVS[1], "connected": False, "filename": "disconnected:tcp:10.22.1.2:9003,server=on", "peer": None}
    unused = {"label": "c9", "filename": "null", "connected": False}
    assert [line.split() for line in chardevs([down, unused], shown)[1:]] == [
        ["mirror0", "<red>DOWN</>", "tcp:10.22.1.2:9003,server=on", "0", "B", "m0"],
        ["c9", "<yellow>DOWN</>", "null", "0", "B", "nothing"],
    ]


def test_a_pair_with_an_end_that_is_down_has_a_line_for_each() -> None:
    one, other = CHARDEVS[4:6]
    labels = [line.split()[:2] for line in chardevs([one, {**other, "connected": False}], plain)]
    assert labels[1:] == [["compare0", "up"], ["compare0-0", "DOWN"]]


def test_a_pair_whose_other_end_is_not_told_stands_alone() -> None:
    assert chardevs(CHARDEVS[4:5], plain)[1].startswith("compare0  up  colo-compare")


def test_a_monitor_is_no_channel() -> None:
    assert chardevs(CHARDEVS[:1], plain) == []


def test_long_names_of_peers_are_shortened() -> None:
    (_, line) = chardevs([{**CHARDEVS[1], "peer": "unix:/run/" + "x" * 100}], plain)
    assert "unix:/run/xxxxx...xxxxxxxxxxxxxxxx" in line


def test_who_uses_a_chardev_is_said_by_id() -> None:
    assert user({"used-by": "filter-mirror 'm0'"}) == "m0"
    assert user({"used-by": "somebody"}) == "somebody"
    assert user({}) == ""


def test_channels_that_are_down_are_named() -> None:
    assert channels(LOST, plain) == ["channels     secondary_in DOWN, 2 up"]
    assert channels(REPLICA, plain) == ["channels     all 5 up"]
    assert channels({}, plain) == []


# the way of the frames


def test_a_netdev_whose_link_is_down_or_guest_missing() -> None:
    chain = {"netdev": "st0", "type": "stream", "link": False, "guest-link": False, "offloads": False, "filters": []}
    lines = list(chain_lines(chain, {}, shown))
    assert lines == [
        "<bold>netdev st0   </>stream <red>OFF</>, <red>no guest</>, offloads off",
        "             in 0 frames/s, 0 B/s; out 0 frames/s, 0 B/s",
        "             network > guest",
    ]
    (first, *_) = chain_lines({**chain, "device": "NIC0"}, None, shown)
    assert "guest NIC0 <red>OFF</>" in first


@pytest.mark.parametrize(
    ("ends", "network", "guest"),
    [
        ({}, "up", "up"),
        ({"up": True, "guest-up": True}, "up", "up"),
        ({"up": False}, "DOWN", "up"),
        ({"guest-up": False}, "up", "DOWN"),
        ({"link": False, "up": False}, "OFF", "up"),
        ({"guest-link": False, "guest-up": False}, "up", "OFF"),
    ],
)
def test_a_tap_that_is_down_is_told_from_a_link_that_is_off(ends: dict[str, bool], network: str, guest: str) -> None:
    (first, *_) = chain_lines({**CHAINS[0], **ends}, None, plain)
    assert first == f"netdev hn0   tap lan {network}, guest e0 {guest}, offloads on"


def test_a_filter_that_is_off_says_so() -> None:
    filters = [{"id": "f1", "type": "filter-redirector", "queue": "tx", "status": "off"}, {"id": "x", "type": "other"}]
    assert filter_lines(filters, plain) == ["             network > f1 (redirector tx OFF) > x (other all) > guest"]


def test_small_rates_have_a_decimal() -> None:
    assert rate_line({"frames_in": 0.5, "bytes_in": 30.0}) == "in 0.5 frames/s, 30 B/s; out 0 frames/s, 0 B/s"


# what is held, what went wrong


def test_what_is_not_told_has_no_line() -> None:
    assert held({}) == []
    assert checkpoints({}) == []
    assert divergences([], NOON, plain) == []


def test_a_secondary_holds_without_a_table_of_connections() -> None:
    assert held({"held-packets": 1, "held-bytes": 60}) == ["held         1 packet, 60 B"]


def test_a_first_checkpoint_that_is_being_made() -> None:
    assert checkpoints({"checkpoint": {"phase": "being made"}}) == ["checkpoint   being made; 0 done, 0 failed"]


def test_a_divergence_in_lines() -> None:
    when = clock_time(NOON - 60, NOON)
    line = f"#17 {when} payload of TCP 10.0.0.2:80 to 10.0.0.1:40000 at sequence number 4711:"
    assert divergence_line(DIVERGENCE, NOON) == f"{line} the payloads differ from byte 12 on"
    assert divergences([DIVERGENCE], NOON, plain) == [
        "LAST DIVERGENCES (colo-ctl divergences has them all)",
        line.removesuffix(" 4711:"),
        "  4711: the payloads differ from byte 12 on",
    ]
    assert " of UDP: no room" in divergence_line(
        {"number": 1, "kind": "memory", "connection": "UDP", "description": "no room"}, NOON
    )


def test_a_streams_end_that_nobody_is_at_is_said() -> None:
    chain = {**CHAINS[0], "filename": "disconnected:unix:/run/a,server=on", "guest-filename": "unix:/run/g,server=on"}
    first = next(iter(chain_lines(chain, None, plain)))
    assert first.count("nobody connected") == 1
    assert first.index("nobody connected") < first.index("guest")

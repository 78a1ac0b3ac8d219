from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.ctl.aftermath import already, done_lines, is_other_connected, next_lines, warning_lines, why_not
from tests.ctl.canned import CHAINS, CHARDEVS, LOST, REPLICA
from tests.ctl.survivor import ALONE, PEER, SECONDARY, SURVIVORS_CHAIN, SURVIVORS_CHARDEVS, SYNCED, TAKEN_OVER

RESUMING = [
    "Next, when the primary is to come back or another secondary: start that one, then",
    "  colo-ctl resume --listen ADDRESS    # this host's, to which it connects",
    "Or step by step:",
]
STAYS = [
    "rew0 stays: it keeps the connections that were open. What makes this side a primary is added",
    "before it (colo-ctl add object ...,insert=before,position=id=rew0).",
]


# before


@pytest.mark.parametrize(
    ("mode", "state", "said"),
    [
        ("none", "taken-over", "This side has already taken over: nothing was done."),
        ("none", "alone", "This side already goes on alone: nothing was done."),
        ("none", "joining", "This side was already told that the other one is lost, and its state is joining: "),
        ("none", "none", None),
        ("primary", "alone", None),
        ("secondary", "taken-over", None),  # it was started anew, and is shut
    ],
)
def test_what_was_done_before_is_known(mode: str, state: str, said: str | None) -> None:
    found = already({"mode": mode, "state": state})
    assert found is None if said is None else found is not None and found.startswith(said)


def test_the_other_side_is_there_while_its_colo_peer_is() -> None:
    assert is_other_connected(SYNCED)
    assert not is_other_connected(SECONDARY)
    assert not is_other_connected({"mode": "secondary"})
    assert not is_other_connected({"mode": "secondary", "peer": None})


@pytest.mark.parametrize(
    ("replica", "harm"),
    [(SYNCED, "both guests would answer the clients"), (REPLICA, "nothing would be protected any more")],
)
def test_why_a_script_is_refused(replica: dict[str, Any], harm: str) -> None:
    assert harm in why_not(replica)


@pytest.mark.parametrize(
    ("replica", "said"),
    [
        (SYNCED, "THE PRIMARY IS CONNECTED (colo-peer cp0): its process is there."),
        (SECONDARY, "The primary is not connected (colo-peer cp0)."),
        (
            {"mode": "secondary", "state": "none", "channels": [{"name": "f1.indev", "connected": True}]},
            "There is no colo-peer that would say whether the primary lives; connected: f1.indev.",
        ),
        (
            {**LOST, "peer": None},
            "There is no colo-peer that would say whether the secondary lives; no channel to it is connected.",
        ),
    ],
)
def test_a_person_is_told_whether_the_other_side_is_there(replica: dict[str, Any], said: str) -> None:
    effect, seen, beware = warning_lines(replica)
    assert effect.endswith(f"Its state is {replica['state']}.")
    assert seen == said
    assert beware.startswith("Do it only if ")


# afterwards


def test_a_secondary_that_took_over_is_told_what_to_remove_in_what_order() -> None:
    assert done_lines("secondary", TAKEN_OVER, [SURVIVORS_CHAIN], SURVIVORS_CHARDEVS) == [
        "The secondary has taken over: the state is taken-over.",
        *RESUMING,
        "  colo-ctl del object f2 f1 gate0 cp0",
        "  colo-ctl del chardev red1 red0 peer0",
        *STAYS,
    ]


def test_without_a_colo_peer_or_filters_there_is_less_to_remove() -> None:
    bare = {**TAKEN_OVER, "peer": None}
    assert next_lines(bare, [SURVIVORS_CHAIN], SURVIVORS_CHARDEVS)[:5] == [
        *RESUMING,
        "  colo-ctl del object f2 f1 gate0",
        "  colo-ctl del chardev red1 red0",
    ]
    assert next_lines(bare, CHAINS, CHARDEVS) == []
    assert next_lines({**TAKEN_OVER, "peer": {**PEER, "role": "primary"}}, CHAINS, CHARDEVS) == []


def test_what_is_to_be_removed_needs_no_other_remedy() -> None:
    no_peer = {"what": "chardev of colo-peer 'cp0' has no peer: chardev 'peer0'", "remedy": "is it running?"}
    others = [
        {"what": "this side has taken over, and a primary is there (colo-peer 'cp0')", "remedy": "stop it"},
        {"what": "outdev of filter-mirror 'm9' has no peer: chardev 'c9'", "remedy": "start it"},
    ]
    after = {**TAKEN_OVER, "problems": [no_peer, *others]}
    lines = next_lines(after, [SURVIVORS_CHAIN], SURVIVORS_CHARDEVS)
    assert lines[7:] == [
        "- this side has taken over, and a primary is there (colo-peer 'cp0'): stop it",
        "- outdev of filter-mirror 'm9' has no peer: chardev 'c9': start it",
    ]


def test_a_primary_that_goes_on_alone_is_told_what_comes_next() -> None:
    lines = done_lines("primary", {**ALONE, "problems": LOST["problems"]}, CHAINS, CHARDEVS)
    assert lines[:2] == [
        "The primary goes on alone: the state is alone (an operator says that the secondary is lost).",
        "Next: start a new secondary; when it is there, new connections are protected again.",
    ]
    assert lines[2].startswith("- nobody is connected to chardev 'compare1'")

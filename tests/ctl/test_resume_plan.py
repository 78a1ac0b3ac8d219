from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.left_over import Seen, Wishes
from colo_twisted.ctl.naming import Thing
from colo_twisted.ctl.resume_plan import Plan, plan
from colo_twisted.options.keyval import split
from tests.ctl.canned import CHARDEVS as A_PRIMARYS_CHARDEVS
from tests.ctl.canned import REPLICA
from tests.ctl.resumable import BARE, PLAIN, PRIMARY, SURVIVOR, added, seen
from tests.ctl.survivor import SECONDARY

HERE = Wishes(listen="10.22.1.3")
WITHOUT_PEER = replace(
    SURVIVOR,
    things=[thing for thing in SURVIVOR.things if thing.id not in ("cp0", "peer0")],
    chardevs=[row for row in SURVIVOR.chardevs if row["label"] != "peer0"],
)


def with_objects(known: Seen, **types: str) -> Seen:
    return replace(known, things=[*known.things, *(Thing("object", id, type) for id, type in types.items())])


def lines(planned: Plan) -> list[str]:
    """Without what they all begin with."""
    steps = [*planned.removals, *planned.additions, planned.last]
    return [step.line.removeprefix("colo-ctl ").replace(" status=on", "") for step in steps]


# what comes of it


def test_a_survivor() -> None:
    at = "insert=before,position=id=rew0,netdev=hn0"
    vnet = "vnet_hdr_support=on"
    peer = "state-file=/var/lib/colo/b.state,fence=/etc/colo/fence '\"'\"'a host'\"'\"',, b,interval=20,announce=off"
    assert lines(plan(SURVIVOR, HERE)) == [
        *("del object f2", "del object f1", "del object gate0", "del object cp0"),
        *("del chardev red0", "del chardev red1", "del chardev peer0"),
        "add chardev socket,id=mirror0,host=10.22.1.3,port=9003,server=on,wait=off",
        "add chardev socket,id=compare1,host=10.22.1.3,port=9004,server=on,wait=off",
        "add chardev socket,id=peer0,host=10.22.1.3,port=9105,server=on,wait=off",
        "add chardev pair,id=compare0,peer=compare0-0",
        "add chardev pair,id=compare_out,peer=compare_out0",
        f"add object 'colo-peer,id=cp0,chardev=peer0,role=primary,{peer}'",
        "add object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0," + vnet,
        f"add object filter-mirror,id=m0,{at},queue=tx,outdev=mirror0,{vnet},status=off",
        f"add object filter-redirector,id=redire0,{at},queue=rx,indev=compare_out,{vnet},status=off",
        f"add object filter-redirector,id=redire1,{at},queue=rx,outdev=compare0,{vnet},status=off",
        *("set m0", "set redire0", "set redire1"),
    ]


def test_a_process_that_was_nothing_becomes_a_primary() -> None:
    planned = plan(PLAIN, replace(HERE, vnet=True))
    assert planned.removals == []
    parts = added(planned)
    assert parts["cp0"] == "colo-peer,id=cp0,chardev=peer0,role=primary"
    assert [parts[id].split("port=")[1][:4] for id in ("mirror0", "compare1", "peer0")] == ["9003", "9004", "9005"]


def test_ids_that_are_taken_get_a_number() -> None:
    taken = ("m0", "comp0", "comp0-2", "compare0-0")
    parts = added(plan(with_objects(PLAIN, **dict.fromkeys(taken, "iothread")), replace(HERE, vnet=True)))
    assert {"m0-2", "comp0-3"} < set(parts)
    assert parts["compare0"] == "pair,id=compare0,peer=compare0-0-2"
    assert "primary_in=compare0-0-2," in parts["comp0-3"]


IDS = st.sampled_from(("mirror0", "compare0", "compare0-0", "compare_out0-2", "cp0", "m0", "m0-2", "redire1", "comp0"))


@given(taken=st.sets(IDS))
def test_whatever_is_taken_all_ids_are_new_and_each_chardev_that_is_named_is_made(taken: set[str]) -> None:
    parts = added(plan(with_objects(PLAIN, **dict.fromkeys(taken, "iothread")), replace(HERE, vnet=True)))
    properties = {id: dict(split(text)[1:]) for id, text in parts.items()}
    chardevs = [id for id, text in parts.items() if text.startswith(("socket,", "pair,"))]
    ends = [properties[id]["peer"] for id in chardevs if "peer" in properties[id]]
    ids = [*parts, *ends]
    assert len(ids) == len(set(ids)) == 12
    assert not taken & set(ids)
    channels = ("chardev", "primary_in", "secondary_in", "outdev", "indev")
    used = [known[name] for known in properties.values() for name in channels if name in known]
    assert sorted(used) == sorted([*chardevs, *ends])


@pytest.mark.parametrize(
    ("listen", "ports", "sockets"),
    [
        ("::", "1,2,3", [("::", "1"), ("::", "2"), ("::", "3")]),
        ("a,b,c", None, [("a", "9003"), ("b", "9004"), ("c", "9105")]),
    ],
)
def test_where_the_new_secondary_connects(listen: str, ports: str | None, sockets: list[tuple[str, str]]) -> None:
    parts = added(plan(SURVIVOR, Wishes(listen=listen, ports=ports)))
    for id, (host, port) in zip(("mirror0", "compare1", "peer0"), sockets):
        assert parts[id] == f"socket,id={id},host={host},port={port},server=on,wait=off"


def test_what_is_given_goes_before_what_was() -> None:
    parts = added(plan(SURVIVOR, replace(HERE, peer="alone=manual", compare="ack_commit=off", vnet=False)))
    assert parts["cp0"] == "colo-peer,id=cp0,chardev=peer0,role=primary,alone=manual"
    assert parts["comp0"].endswith(",outdev=compare_out0,ack_commit=off")
    assert "vnet" not in "".join(parts.values())


def test_a_survivor_that_never_had_a_colo_peer_says_so() -> None:
    parts = added(plan(WITHOUT_PEER, replace(HERE, peer="")))
    assert parts["cp0"] == "colo-peer,id=cp0,chardev=peer0,role=primary"


def test_the_line_for_the_next_try_says_all() -> None:
    assert plan(PRIMARY, Wishes(vnet=False, netdev="hn0")).again == (
        "colo-ctl resume --listen fd00::1 --ports 9203,9204,9205 --no-vnet --netdev hn0"
    )
    again = plan(SURVIVOR, Wishes(listen="a,b,c", peer="alone=manual", compare="ack_commit=off")).again
    assert again == (
        "colo-ctl resume --listen a,b,c --ports 9003,9004,9105 --vnet --peer alone=manual --compare ack_commit=off"
    )
    assert plan(WITHOUT_PEER, replace(HERE, peer="")).again.endswith(" --vnet --peer ''")


# what is in the way


def netdevs(*rows: Any) -> Seen:
    return replace(PLAIN, chains=list(rows))


@pytest.mark.parametrize(
    ("known", "wishes", "why"),
    [
        (
            replace(SURVIVOR, replica=SECONDARY),
            HERE,
            "refused: this side is a secondary that has not taken over (the s",
        ),
        (netdevs(), HERE, "name the netdev with --netdev: those with a guest are none"),
        (netdevs({**BARE, "guest": None}), HERE, "name the netdev with --netdev: those with a guest are none"),
        (
            netdevs(BARE, {**BARE, "netdev": "hn1"}),
            HERE,
            "name the netdev with --netdev: those with a guest are hn0, hn1",
        ),
        (SURVIVOR, replace(HERE, netdev="hn1"), "there is no netdev 'hn1' with a guest behind it (there is hn0)"),
        (PLAIN, HERE, "say --vnet or --no-vnet: "),
        (SURVIVOR, Wishes(), "say --listen ADDRESS: "),
        (WITHOUT_PEER, HERE, "say --peer PROPERTIES, those that the colo-peer here had (or '' for none)"),
        (SURVIVOR, Wishes(listen="a,b"), "--listen takes one, or three: mirror,secondary_in,colo-peer; got a,b"),
        (SURVIVOR, replace(HERE, ports="1"), "--ports takes three: mirror,secondary_in,colo-peer; got 1"),
        (SURVIVOR, replace(HERE, ports="1,,3"), "--ports takes three: "),
        (SURVIVOR, replace(HERE, peer="role=primary"), "--peer: 'role' is resume's own affair"),
        (SURVIVOR, replace(HERE, compare="vnet_hdr_support"), "--compare: 'vnet_hdr_support' is resume's own affair"),
        (PRIMARY, Wishes(vnet=True, peer="alone=manual"), "colo-peer cp0 is there and stays: --peer is for a new one"),
    ],
)
def test_what_is_in_the_way(known: Seen, wishes: Wishes, why: str) -> None:
    with pytest.raises(Trouble) as caught:
        plan(known, wishes)
    assert str(caught.value).startswith(why)


def half_made(state: str = "joining", **statuses: str) -> Seen:
    """A comparer between pairs, and those filters around it, by the statuses that they have."""
    channels = {"redire0": {"indev": "compare_out"}, "redire1": {"outdev": "compare0"}}
    objects: dict[str, Any] = {
        id: (OBJECT_TYPES[id], {"status": status, **channels.get(id, {})}) for id, status in statuses.items()
    }
    objects["comp0"] = ("colo-compare", {"primary_in": "compare0-0", "outdev": "compare_out0"})
    users = {"compare0": "redire1", "compare_out": "redire0"}
    pairs = [
        row if users.get(row["label"], "m0") in statuses else {**row, "used-by": None}
        for row in A_PRIMARYS_CHARDEVS
        if row["filename"].startswith("pair:")
    ]
    spies = [{"id": "spy", "type": "filter-redirector", "queue": "tx", "status": "off"}]
    filters = [{"id": id, "type": OBJECT_TYPES[id], "queue": "tx", "status": status} for id, status in statuses.items()]
    return seen({**REPLICA, "state": state}, {**BARE, "filters": [*spies, *filters]}, pairs, objects)


OBJECT_TYPES = {"m0": "filter-mirror", "redire0": "filter-redirector", "redire1": "filter-redirector"}


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (
            half_made(redire1="off", redire0="off", m0="off"),
            ", but m0, redire0, redire1 are off, as after a resume that was killed: start the new secondary, then"
            " colo-ctl set m0 status=on; colo-ctl set redire0 status=on; colo-ctl set redire1 status=on",
        ),
        (
            half_made("lost", m0="on", redire0="on", redire1="off"),
            ", but redire1 is off, as after a resume that was killed: start the new secondary, and when the state is"
            " not lost any more colo-ctl set redire1 status=on",
        ),
        (
            half_made(m0="off", redire0="off"),
            ", but not all filters around it are, as after a resume that was killed: remove it (colo-ctl del object"
            " comp0) and resume again",
        ),
        (half_made(redire1="off"), ", but not all filters around it are, "),
        (half_made(m0="off", redire0="on", redire1="on"), ": a new secondary has only to connect; "),
        (half_made(m0="on", redire0="on", redire1="on"), ": a new secondary has only to connect; to make its parts "),
    ],
)
def test_a_comparer_that_is_not_led_to(known: Seen, says: str) -> None:
    state = known.replica["state"]
    with pytest.raises(Trouble) as caught:
        plan(known, HERE)
    assert str(caught.value).startswith(f"refused: comparer comp0 is there already (the state is {state}){says}")


def test_of_a_comparer_between_sockets_nobody_can_tell_which_filters_are_its_own() -> None:
    known = half_made(m0="off", redire0="off", redire1="off")
    sockets = [row | {"filename": "tcp:127.0.0.1:9001,server=on"} for row in known.chardevs]
    with pytest.raises(Trouble, match="a new secondary has only to connect"):
        plan(replace(known, chardevs=sockets), HERE)


def test_one_of_several_netdevs() -> None:
    several = netdevs(BARE, {**BARE, "netdev": "hn1"}, {**BARE, "netdev": "hn2", "guest": None})
    planned = plan(several, replace(HERE, netdev="hn1", vnet=False))
    assert planned.netdev == "hn1"
    assert "netdev=hn1," in added(planned)["redire1"]

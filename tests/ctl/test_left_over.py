from __future__ import annotations

from colo_twisted.ctl.left_over import Step, Wishes
from colo_twisted.ctl.resume_plan import plan
from tests.ctl.resumable import BARE, CHARDEVS, NO_REPLICA, OBJECTS, PRIMARY, added, seen
from tests.ctl.survivor import ALONE, SURVIVORS_CHAIN, TAKEN_OVER

HERE = Wishes(listen="10.22.1.3")


def test_a_step_can_be_typed() -> None:
    step = Step(("add", "object", "colo-peer,id=cp0,fence=a b"), "cp0")
    assert step.line == "colo-ctl add object 'colo-peer,id=cp0,fence=a b'"


def test_a_primary_without_its_parts_has_them_where_they_were() -> None:
    """Its colo-peer stays; a pair of which an end is used stays, too, and the new one has other ids."""
    planned = plan(PRIMARY, Wishes(vnet=False))
    assert [step.id for step in planned.removals] == ["mirror0", "compare1", "compare0"]
    parts = added(planned)
    assert parts["mirror0"] == "socket,id=mirror0,host=fd00::1,port=9203,server=on,wait=off"
    assert parts["compare1"] == "socket,id=compare1,host=fd00::1,port=9204,server=on,wait=off"
    assert parts["compare_out-2"] == "pair,id=compare_out-2,peer=compare_out0-2"
    assert parts["comp0"].endswith(",secondary_in=compare1,outdev=compare_out0-2")
    assert parts["m0"] == "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0,status=off"
    assert not {"cp0", "peer0"} & set(parts)


def test_by_three_cables_the_new_secondary_connects_as_the_old_one_did() -> None:
    rows = [
        {"label": id, "filename": f"disconnected:tcp:10.22.{cable}.2:{port},server=on"}
        for id, cable, port in (("compare1", 2, 9004), ("mirror0", 1, 9003), ("peer0", 3, 9005))
    ]
    loopback = {"label": "compare_out", "filename": "disconnected:tcp:127.0.0.1:9005,server=on"}
    planned = plan(seen(ALONE, BARE, [loopback, *rows], {}), Wishes(vnet=True))
    assert [step.id for step in planned.removals] == ["compare_out", "compare1", "mirror0", "peer0"]
    assert " --listen 10.22.1.2,10.22.2.2,10.22.3.2 " in planned.again


def test_an_unused_chardev_at_a_port_that_is_wanted_goes() -> None:
    unused = {"label": "other", "filename": "disconnected:tcp:127.0.0.1:9005,server=on"}
    used = {"label": "used", "filename": "disconnected:tcp:127.0.0.1:9004,server=on", "used-by": "filter-dump 'd0'"}
    client = {"label": "client", "filename": "disconnected:tcp:127.0.0.1:9005"}
    planned = plan(seen(NO_REPLICA, BARE, [unused, used, client], {}), Wishes(listen="10.22.1.3", vnet=True))
    assert [step.id for step in planned.removals] == ["other"]


def test_without_a_rewriter_what_is_left_over_tells_of_vnet_headers() -> None:
    objects = {id: made for id, made in OBJECTS.items() if id != "rew0"}
    chain = {**SURVIVORS_CHAIN, "filters": SURVIVORS_CHAIN["filters"][:-1]}
    parts = added(plan(seen(TAKEN_OVER, chain, CHARDEVS, objects), HERE))
    assert parts["m0"].endswith("queue=tx,outdev=mirror0,vnet_hdr_support=on,status=off")

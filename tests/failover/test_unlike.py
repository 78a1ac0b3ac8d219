"""The two ends of a channel carry vnet headers, or don't: when they differ nobody is protected, and both say why."""

from __future__ import annotations

import pytest

from colo_twisted.failover.advice import problems
from tests.support.wires import Side, flow, plug, results

CABLE = " -netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
CHARDEVS = " -chardev fake,id=c0 -chardev fake,id=c1 -chardev fake,id=c2 -chardev fake,id=c3"


def a_primary(mirror: str, compare: str) -> Side:
    parts = (
        f"{CABLE}{CHARDEVS} -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0,vnet_hdr_support={mirror}"
        f" -object colo-compare,id=comp0,primary_in=c1,secondary_in=c2,outdev=c3,vnet_hdr_support={compare}"
    )
    return Side("primary", more=f"announce=on{parts}")


def a_secondary(mirror: str, output: str) -> Side:
    parts = (
        f"{CABLE}{CHARDEVS} -object filter-rewriter,id=rew0,netdev=hn0"
        f" -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=c0,vnet_hdr_support={mirror}"
        f" -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=c1,vnet_hdr_support={output}"
    )
    return Side("secondary", more=f"announce=on{parts}")


@pytest.mark.parametrize(
    ("primary", "secondary", "said"),
    [
        (("on", "on"), ("on", "on"), None),
        (("off", "on"), ("off", "on"), None),
        (("on", "on"), ("off", "on"), "on at the primary's filter-mirror and off at the secondary's "),
        (
            ("off", "off"),
            ("off", "on"),
            "off at the primary's colo-compare and on at the secondary's ",
        ),
    ],
)
def test_what_differs_is_said_on_both_sides(
    primary: tuple[str, str], secondary: tuple[str, str], said: str | None
) -> None:
    one, two = a_primary(*primary), a_secondary(*secondary)
    plug(one.end, two.end)
    flow(one.end, two.end)
    protected = results(one.peer.protect_new())
    flow(one.end, two.end)
    assert protected == ([True] if said is None else [])
    for side in (one, two):
        told = [problem.what for problem in problems(side.house.machine) if "vnet_hdr_support" in problem.what]
        assert len(told) == (said is not None)
        assert all(str(said) in what for what in told)

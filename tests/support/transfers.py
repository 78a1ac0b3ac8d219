"""What goes on between a client and the guests of a pair while something is done to that, and how it must end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.support.lan import Lan, Node
from tests.support.processes import Process, wait_until
from tests.support.visits import found

MB = 1_000_000
BOUND = 60.0  # seconds for whatever a client has begun


@contextlib.contextmanager
def under_way(lan: Lan, primary: Node, size: int) -> Iterator[Process]:
    """A download and an upload of so many bytes that are being compared."""
    before = primary.compared().get("compared", 0)
    with lan.visiting("down_and_up", size) as visitor:
        wait_until(lambda: primary.compared().get("compared", 0) > before + 200, "the transfers being compared")
        yield visitor


@contextlib.contextmanager
def idle(lan: Lan, name: str) -> Iterator[Process]:
    """A connection that has said something, and goes on when ``let_go_on`` says so."""
    with lan.visiting("until", lan.folder / f"{name} goes on") as visitor:
        visitor.wait_for_output("idle")
        yield visitor


def let_go_on(lan: Lan, name: str) -> None:
    (lan.folder / f"{name} goes on").touch()


def finish(*visitors: Process) -> None:
    """Each comes to its end in time, and all that it got and told was right."""
    for visitor in visitors:
        wait_until(lambda: visitor.popen.poll() is not None, f"the end of {visitor.words}", BOUND)  # noqa: B023
        assert found(visitor.output)["wrong"] == []


def check_right(lan: Lan) -> None:
    """New connections are right, whoever answers."""
    assert lan.visit("in_a_row", 30, MB, 10, timeout=BOUND)["wrong"] == []


def check_protected(lan: Lan, primary: Node) -> None:
    """New connections are compared, and nothing of them differs."""
    before = primary.compared()
    check_right(lan)
    after = primary.compared()
    assert after["compared"] > before.get("compared", 0)
    for counter in ("divergences", "unprotected"):
        assert after.get(counter, 0) == before.get(counter, 0), primary.colo.qmp("query-colo-divergences")

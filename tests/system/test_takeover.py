"""The primary dies, and nobody says so: heartbeats, connections that close, take-over, running alone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.colo_ft import OURS
from tests.support.lan import Lan, Node
from tests.support.namespaces import need
from tests.support.processes import Process, wait_until
from tests.support.visits import found

MB = 1_000_000
BIG = 30 * MB
BOUND = 60.0


def options(text: str, more: str, folder: Path, name: str) -> str:
    """The same, its colo-peer with more properties and a state file."""
    return text.replace(",role=", f",state-file={folder}/{name}.state,{more},role=")


@contextlib.contextmanager
def a_pair(folder: Path, primary: str, secondary: str) -> Iterator[tuple[Lan, Node, Node]]:
    """Primary and secondary with these properties of colo-peer's; whatever begins now is protected."""
    need("ip")
    with Lan(folder) as lan:
        one, two = lan.add("a"), lan.add("b")
        one.start(options(OURS.primary, primary, folder, "a"))
        one.start_guest()
        two.start(options(OURS.secondary.format(primary_ip=one.address), secondary, folder, "b"))
        two.start_guest()
        one.wait_synced()
        yield lan, one, two


@contextlib.contextmanager
def under_way(lan: Lan, primary: Node) -> Iterator[Process]:
    """A download and an upload that are being compared."""
    before = primary.compared().get("compared", 0)
    with lan.visiting("down_and_up", BIG) as visitor:
        wait_until(lambda: primary.compared().get("compared", 0) > before + 200, "the transfers being compared")
        yield visitor


def check_end(visitor: Process) -> None:
    wait_until(lambda: visitor.popen.poll() is not None, f"the end of {visitor.words}", BOUND)
    assert found(visitor.output)["wrong"] == []


@pytest.mark.parametrize("how", ["direct=on,takeover=auto", "takeover=unfenced"])
def test_the_primary_is_killed_with_its_guest(how: str, tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", how) as (lan, one, two), under_way(lan, one) as transfers:
        one.kill()
        check_end(transfers)
        assert two.replica()["state"] == "taken-over"


def test_the_secondary_is_killed(tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=auto,direct=on", "takeover=auto") as (lan, one, two), under_way(lan, one) as transfers:
        two.kill()
        check_end(transfers)
        assert one.replica()["state"] == "alone"


def test_a_primary_that_is_stopped_hands_over(tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", "takeover=auto") as (lan, one, two), under_way(lan, one) as transfers:
        one.colo.signal(signal.SIGTERM)
        check_end(transfers)
        assert two.replica()["state"] == "taken-over"

"""``colo-ctl resume``: a third node becomes the secondary of a survivor, or of a primary without its parts."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.colo_ft import OURS
from tests.support.lan import Lan, Node
from tests.support.namespaces import need
from tests.support.processes import wait_until
from tests.support.transfers import BOUND, MB, check_protected, finish, idle, let_go_on, under_way

BIG = 30 * MB
PARTS = ["m0", "redire0", "redire1"]


@contextlib.contextmanager
def a_pair(folder: Path, more: str = "") -> Iterator[tuple[Lan, Node, Node]]:
    """Primary and secondary; ``more`` are properties of their colo-peers."""
    need("ip")
    with Lan(folder) as lan:
        one, two = lan.add("a"), lan.add("b")
        one.start(with_more(OURS.primary, more, folder, "a"))
        one.start_guest()
        join(two, one, more)
        one.wait_synced()
        yield lan, one, two


def with_more(options: str, more: str, folder: Path, name: str) -> str:
    text = more.format(state=folder / f"{name}.state")
    return options.replace(",role=", f",{text},role=") if more else options


def join(secondary: Node, primary: Node, more: str = "") -> None:
    options = OURS.secondary.format(primary_ip=primary.address)
    secondary.start(with_more(options, more, primary.colo.control.parent, secondary.name))
    secondary.start_guest()
    secondary.wait_link()


def colo_ctl(node: Node, *words: str, status: int = 0) -> tuple[str, str]:
    """What it prints on stdout and stderr."""
    command = [sys.executable, "-m", "colo_twisted.ctl", "-s", str(node.colo.control), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout, done.stderr


def filters(node: Node) -> list[tuple[str, str]]:
    (chain,) = node.colo.qmp("query-chain")
    return [(known["id"], known["status"]) for known in chain["filters"]]


@contextlib.contextmanager
def coming_and_going(lan: Lan) -> Iterator[None]:
    """Connections one after the other, some of them large: from before, all the while, and some from afterwards."""
    over = threading.Event()

    def visit() -> None:
        last = False
        while not last:
            last = over.is_set()
            assert lan.visit("in_a_row", 60, MB, 15, timeout=BOUND)["wrong"] == []

    with ThreadPoolExecutor(1) as threads:
        visits = threads.submit(visit)
        try:
            yield
        finally:
            over.set()
        visits.result(2 * BOUND)


def kill_and_take_over(lan: Lan, one: Node, two: Node) -> None:
    with under_way(lan, one, BIG) as transfers:
        one.kill()
        two.monitor.wait_for("COLO_CHARDEV_DISCONNECTED", id="red1")
        wait_until(lambda: not two.replica()["peer"]["connected"], "the primary being gone")
        colo_ctl(two, "failover", "--yes")
        finish(transfers)


def test_a_survivor_takes_a_new_secondary_that_survives_it(tmp_path: Path) -> None:
    """Connections from before the take-over, from between, from during the resumption and from after it."""
    with a_pair(tmp_path) as (lan, one, two), idle(lan, "old") as old:
        kill_and_take_over(lan, one, two)
        three = lan.add("c")
        join(three, two)
        with idle(lan, "between") as between:
            with coming_and_going(lan):
                said, _ = colo_ctl(two, "resume", "--listen", "0.0.0.0")
            assert said.splitlines()[:4] == [f"removed object {id}" for id in ("f2", "f1", "gate0", "cp0")]
            assert said.splitlines()[-1].startswith("synced (waited ")
            assert filters(two) == [*((id, "on") for id in PARTS), ("rew0", "on")]
            check_protected(lan, two)
            for name in ("old", "between"):
                let_go_on(lan, name)
            finish(old, between)
        kill_and_take_over(lan, two, three)


def test_what_the_old_colo_peer_had_the_new_one_has(tmp_path: Path) -> None:
    more = "state-file={state},interval=50ms,takeover=auto"
    with a_pair(tmp_path, more) as (lan, one, two):
        kill_and_take_over(lan, one, two)
        three = lan.add("c")
        join(three, two, more)
        with coming_and_going(lan):
            colo_ctl(two, "resume", "--listen", two.address)
        peer: Any = {
            name: two.colo.qmp("qom-get", path="/objects/cp0", property=name)
            for name in ("role", "state-file", "interval", "takeover")
        }
        assert peer == {"role": "primary", "state-file": f"{tmp_path}/b.state", "interval": 50, "takeover": "auto"}
        check_protected(lan, two)


@pytest.mark.parametrize("more", ["", "state-file={state}"])
def test_a_new_secondary_that_is_not_there_yet(more: str, tmp_path: Path) -> None:
    """The parts stay, and the guest is heard all the while, whatever a state file says of the time before."""
    with a_pair(tmp_path, more) as (lan, one, two):
        kill_and_take_over(lan, one, two)
        with coming_and_going(lan):
            said, _ = colo_ctl(two, "resume", "--listen", two.address, "--timeout", "1", "--json", status=4)
            assert json.loads(said)["synced"] is False
        join(lan.add("c"), two, more)
        two.wait_synced()
        check_protected(lan, two)


def test_a_port_that_is_taken_costs_the_guest_nothing(tmp_path: Path) -> None:
    """The line that it says then does it when the port is free."""
    address = {"type": "inet", "data": {"host": "0.0.0.0", "port": "9005"}}
    socket = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
    spy = {"qom-type": "filter-mirror", "id": "spy", "netdev": "hn0", "queue": "tx", "outdev": "other"}
    with a_pair(tmp_path) as (lan, one, two):
        kill_and_take_over(lan, one, two)
        two.colo.qmp("chardev-add", id="other", backend=socket)
        two.colo.qmp("object-add", **spy)
        with coming_and_going(lan):
            _, said = colo_ctl(two, "resume", "--listen", "0.0.0.0", "--compare", "compare_timeout=5s", status=1)
            assert "(taken back: compare1, mirror0)" in said
            assert filters(two) == [("rew0", "on"), ("spy", "on")]
        colo_ctl(two, "del", "object", "spy")
        colo_ctl(two, "del", "chardev", "other")
        (again,) = re.findall("^What was removed .* try: colo-ctl (.*)$", said, re.MULTILINE)
        join(lan.add("c"), two)
        with coming_and_going(lan):
            colo_ctl(two, *shlex.split(again))
        assert two.colo.qmp("qom-get", path="/objects/comp0", property="compare_timeout") == 5000
        check_protected(lan, two)


@contextlib.contextmanager
def resuming(node: Node, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A resume that waits, before its last step, for a new secondary: by that state file its colo-peer is shut."""
    words = ["-s", str(node.colo.control), "resume", "--listen", node.address, "--peer", f"state-file={state}"]
    command = [sys.executable, "-m", "colo_twisted.ctl", *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as popen:
        try:
            expected = [("m0", "on"), ("redire0", "on"), ("redire1", "off"), ("rew0", "on")]
            wait_until(lambda: filters(node) == expected, "the last step but one")
            yield popen
        finally:
            popen.kill()


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_nothing_of_it_stays(ended: signal.Signals, tmp_path: Path) -> None:
    with a_pair(tmp_path, "state-file={state}") as (lan, one, two):
        kill_and_take_over(lan, one, two)
        with coming_and_going(lan), resuming(two, tmp_path / "a.state") as popen:
            popen.send_signal(ended)
            assert popen.wait(BOUND) == 128 + ended
        assert filters(two) == [("rew0", "on")]
        assert [row["label"] for row in two.colo.qmp("query-chardev") if "monitor" not in row["label"]] == []


def test_after_a_kill_the_next_try_says_what_is_left_to_do(tmp_path: Path) -> None:
    more = "state-file={state}"
    with a_pair(tmp_path, more) as (lan, one, two):
        kill_and_take_over(lan, one, two)
        with coming_and_going(lan):
            with resuming(two, tmp_path / "a.state") as popen:
                popen.kill()
            _, said = colo_ctl(two, "resume", "--listen", two.address, status=1)
            assert "but redire1 is off, as after a resume that was killed: start the new secondary, and when " in said
            join(lan.add("c"), two, more)
            wait_until(lambda: two.replica()["state"] not in ("shut", "lost"), "the new secondary's word")
            (line,) = re.findall("colo-ctl (set .*)$", said, re.MULTILINE)
            colo_ctl(two, *shlex.split(line))
        two.wait_synced()
        check_protected(lan, two)


def test_a_primary_without_its_parts_gets_them_again(tmp_path: Path) -> None:
    with a_pair(tmp_path) as (lan, one, two), idle(lan, "old") as old:
        two.kill()
        one.monitor.wait_for("COLO_CHARDEV_DISCONNECTED", id="compare1")
        one.type(*OURS.primary_failover)
        three = lan.add("c")
        join(three, one)
        with coming_and_going(lan):
            said, _ = colo_ctl(one, "resume", "--vnet")
            assert "added chardev mirror0" in said
            assert "cp0" not in said
        check_protected(lan, one)
        let_go_on(lan, "old")
        finish(old)
        kill_and_take_over(lan, one, three)

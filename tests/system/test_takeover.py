"""The primary dies, and nobody says so: heartbeats, connections that close, take-over, running alone."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.colo_ft import OURS
from tests.support.lan import CABLES, NETWORKS, Lan, Node, runs
from tests.support.namespaces import need
from tests.support.processes import wait_until
from tests.support.traffic import LONG
from tests.support.transfers import MB, finish, under_way

FENCE = Path(__file__).parents[2] / "etc" / "fence-netns"
FENCING = (("alone", "a"), ("takeover", "b"))
BIG = (300 if LONG else 30) * MB
LATEST = 6.0 if LONG else 0.7  # seconds: what the clients do takes longer than that


def options(text: str, more: str, folder: Path, name: str) -> str:
    """The same, its colo-peer with more properties and a state file."""
    return text.replace(",role=", f",state-file={folder}/{name}.peer,{more},role=")


def write_fences(folder: Path, one: Node, two: Node) -> None:
    """The files fence-a and fence-b: the commands by which a and b switch each other off."""
    for node, other in ((one, two), (two, one)):
        script = folder / f"fence-{node.name}"
        pidfile = folder / f"{other.name}.pid"
        script.write_text(f"#!/bin/sh\nexec {FENCE} {other.guest.name} {pidfile} {folder}/fencing\n")
        script.chmod(0o755)


@contextlib.contextmanager
def a_pair(folder: Path, primary: str, secondary: str) -> Iterator[tuple[Lan, Node, Node]]:
    """Primary and secondary with these properties of colo-peer's; whatever begins now is protected."""
    need("ip")
    with Lan(folder) as lan:
        one, two = lan.add("a"), lan.add("b")
        write_fences(folder, one, two)
        one.start(options(OURS.primary, primary, folder, "a"))
        one.start_guest()
        (folder / "a.guest").write_text(f"{one.service.popen.pid}\n")
        two.start(options(by_three_cables(one.address), secondary, folder, "b"))
        two.start_guest()
        (folder / "b.guest").write_text(f"{two.service.popen.pid}\n")
        one.wait_synced()
        yield lan, one, two


def by_three_cables(address: str) -> str:
    """The secondary's options, each chardev by a cable of its own to the primary at that address."""
    text = OURS.secondary.format(primary_ip=address)
    for network, id in zip(NETWORKS, ("red0", "red1", "peer0")):
        text = text.replace(f"id={id},host={address}", f"id={id},host={address.replace(NETWORKS[0], network)}")
    return text


def moments(what: str) -> list[float]:
    """Seconds after the beginning, seeded by what is to happen then: three, or in a long run ten."""
    chance = random.Random(what)
    return [round(chance.uniform(0.0, LATEST), 3) for _ in range(10 if LONG else 3)]


def kill_process(lan: Lan, node: Node) -> None:
    node.colo.signal(signal.SIGKILL)


def kill_guest(lan: Lan, node: Node) -> None:
    node.service.signal(signal.SIGKILL)


def kill_both(lan: Lan, node: Node) -> None:
    kill_guest(lan, node)
    kill_process(lan, node)


def pull_cable(lan: Lan, node: Node) -> None:
    lan.switch.ip(f"link set lan-{node.name} down")


LOSSES = {"process": kill_process, "guest": kill_guest, "both": kill_both, "cable": pull_cable}
CASES = [(side, what, moment) for side in ("a", "b") for what in LOSSES for moment in moments(f"{side} {what}")]


@pytest.mark.parametrize(("side", "what", "moment"), CASES)
def test_whatever_dies_the_clients_see_no_error(side: str, what: str, moment: float, tmp_path: Path) -> None:
    """And what they were told is there: each upload's hash is that of what the survivor got."""
    same = f"direct=on,guest-watch=pidfile:{tmp_path}"
    with a_pair(tmp_path, f"alone=auto,{same}/a.guest", f"takeover=auto,{same}/b.guest") as (lan, one, two):
        with lan.visiting("everything", BIG, 200) as visitor:
            visitor.wait_for_output("idle")
            time.sleep(moment)
            LOSSES[what](lan, one if side == "a" else two)
            finish(visitor)
        survivor, states = (two, ("taken-over",)) if side == "a" else (one, ("alone", "joining"))
        wait_until(lambda: survivor.replica()["state"] in states, f"the survivor being {' or '.join(states)}")


@pytest.mark.parametrize("how", ["direct=on,takeover=auto", "takeover=unfenced"])
def test_the_primary_is_killed_with_its_guest(how: str, tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", how) as (lan, one, two), under_way(lan, one, BIG) as transfers:
        one.kill()
        finish(transfers)
        assert two.replica()["state"] == "taken-over"


def test_the_secondary_is_killed(tmp_path: Path) -> None:
    pair = a_pair(tmp_path, "alone=auto,direct=on", "takeover=auto")
    with pair as (lan, one, two), under_way(lan, one, BIG) as transfers:
        two.kill()
        finish(transfers)
        assert one.replica()["state"] == "alone"


@pytest.mark.parametrize("seconds", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("cable", CABLES)
def test_one_cable_is_cut_for_a_while_and_the_primary_speaks_on(cable: str, seconds: float, tmp_path: Path) -> None:
    """As long as any channel lives in each direction nobody is taken for dead, unfenced or not."""
    with a_pair(tmp_path, "alone=manual", "takeover=unfenced") as (lan, one, _two), lan.sniffing() as sniffer:
        with under_way(lan, one, BIG) as transfers:
            lan.cut(cable)
            time.sleep(seconds)
            lan.mend(cable)
            finish(transfers)
        assert {port for port, *_ in runs(sniffer)} == {"lan-a"}
        assert one.replica()["state"] in ("synced", "alone", "lost", "joining")


CHARDEVS = {"cross": ("mirror0", "red0"), "cross2": ("compare1", "red1"), "cross3": ("peer0", "peer0")}


@pytest.mark.parametrize("cable", CABLES if LONG else ("cross", "cross3"))
def test_after_a_cut_that_ended_connections_a_process_that_dies_is_known_to_be_dead(cable: str, tmp_path: Path) -> None:
    """Those that took their places are what counts: nobody has to be switched off, as before the cut."""
    with a_pair(tmp_path, "alone=manual", "takeover=auto,direct=on") as (lan, one, two):
        ends = tuple(zip((one, two), CHARDEVS[cable]))

        def times(what: str) -> list[int]:
            return [node.colo.counters()[f"chardev {chardev}"].get(what, 0) for node, chardev in ends]

        lan.cut(cable)
        wait_until(lambda: all(times("disconnects")), "both ends giving the connection up")
        lan.mend(cable)
        wait_until(lambda: min(times("connects")) > 1, "another connection")
        one.wait_synced()
        two.wait_synced()
        one.kill()
        wait_until(lambda: two.replica()["state"] == "taken-over", "the take-over")


def test_all_cables_are_cut_and_never_two_speak(tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", "takeover=unfenced") as (lan, one, _two), lan.sniffing() as sniffer:
        with under_way(lan, one, BIG) as transfers:
            lan.cut(*CABLES)
            finish(transfers)
        lan.mend(*CABLES)
        wait_until(lambda: one.replica()["state"] == "shut", f"the old primary being shut: {one.replica()}")
        assert [port for port, *_ in runs(sniffer)] == ["lan-a", "lan-b"]


def test_all_cables_are_cut_and_of_two_that_fence_one_speaks_on(tmp_path: Path) -> None:
    primary, secondary = (f"{name}=auto,fence={tmp_path}/fence-{side}" for name, side in FENCING)
    with a_pair(tmp_path, primary, secondary) as (lan, one, two), lan.sniffing() as sniffer:
        with under_way(lan, one, BIG) as transfers:
            lan.cut(*CABLES)
            finish(transfers)
        alive = [node for node in (one, two) if node.colo.popen.poll() is None]
        assert len(alive) == 1
        spoke = [port for port, *_ in runs(sniffer)]
        assert spoke in (["lan-a"], ["lan-a", "lan-b"])
        assert spoke[-1] == f"lan-{alive[0].name}"


def test_all_cables_are_cut_and_without_a_fence_nobody_speaks(tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", "takeover=auto") as (lan, one, two):
        lan.cut(*CABLES)
        wait_until(lambda: two.replica()["state"] == "lost", "the primary being missed")
        wait_until(lambda: one.replica()["state"] == "lost", "the primary being silent")
        lan.mend(*CABLES)
        wait_until(lambda: two.replica()["state"] == "synced", "the primary being heard again")
        assert lan.visit("in_a_row", 20, MB, 10)["wrong"] == []


def test_an_old_primary_that_is_started_anew_stays_shut(tmp_path: Path) -> None:
    """Whether it hears of the survivor or not."""
    with a_pair(tmp_path, "alone=manual", "takeover=auto,direct=on") as (lan, one, two):
        one.kill()
        wait_until(lambda: two.replica()["state"] == "taken-over", "the take-over")
        lan.cut(*CABLES)
        one.start(options(OURS.primary, "alone=manual", tmp_path, "a"))
        with lan.sniffing() as sniffer:
            one.start_guest()
            assert one.replica()["state"] == "shut"
            assert lan.visit("in_a_row", 20, MB, 10)["wrong"] == []
            lan.mend(*CABLES)
            wait_until(lambda: "must not speak any more" in one.replica()["reason"], "the survivor being heard")
            assert lan.visit("in_a_row", 20, MB, 10)["wrong"] == []
            assert {port for port, *_ in runs(sniffer)} == {"lan-b"}


def test_what_closes_all_connections_between_them_is_no_death(tmp_path: Path) -> None:
    """A tunnel that restarts, a firewall that forgets: each side's kernel sees the other's end close."""
    need("ss")
    pair = a_pair(tmp_path, "alone=auto,direct=off", "takeover=auto,direct=off")
    with pair as (lan, one, two), lan.sniffing() as sniffer, under_way(lan, one, BIG) as transfers:
        for _ in range(3):
            for port in (9003, 9004, 9005):
                one.host.run("ss", "-K", "state", "established", f"sport = :{port}")
            time.sleep(0.5)
        finish(transfers)
        one.wait_synced()
        assert two.replica()["state"] == "synced"
        assert lan.visit("in_a_row", 20, MB, 10)["wrong"] == []
        assert {port for port, *_ in runs(sniffer)} == {"lan-a"}


def test_a_cable_that_is_pulled_out_hands_over(tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", "takeover=auto") as (lan, one, _two), lan.sniffing() as sniffer:
        with under_way(lan, one, BIG) as transfers:
            lan.switch.ip("link set lan-a down")
            finish(transfers)
        assert [port for port, *_ in runs(sniffer)] == ["lan-a", "lan-b"]
        assert one.replica()["state"] == "shut"


def test_a_guest_that_dies_hands_over(tmp_path: Path) -> None:
    """Its kernel lives on, and closes its connections: nobody must hear of that."""
    watched = f"guest-watch=pidfile:{tmp_path}/guest.pid"
    with a_pair(tmp_path, f"alone=manual,{watched}", "takeover=auto") as (lan, one, _two), lan.sniffing() as sniffer:
        (tmp_path / "guest.pid").write_text(f"{one.service.popen.pid}\n")
        time.sleep(0.5)
        with under_way(lan, one, BIG) as transfers:
            one.service.signal(signal.SIGKILL)
            finish(transfers)
        assert [port for port, *_ in runs(sniffer)] == ["lan-a", "lan-b"]
        assert one.replica()["state"] == "shut"


def test_a_primary_that_is_stopped_hands_over(tmp_path: Path) -> None:
    with a_pair(tmp_path, "alone=manual", "takeover=auto") as (lan, one, two), under_way(lan, one, BIG) as transfers:
        one.colo.signal(signal.SIGTERM)
        finish(transfers)
        assert two.replica()["state"] == "taken-over"

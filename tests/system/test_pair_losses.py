"""A channel or a process of the pair is lost, and comes back, while a client is at work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.namespaces import need
from tests.support.pair import SYNCED, Pair, Wiring
from tests.support.processes import wait_until
from tests.support.relays import Relay

# all channels through relays that a test can cut: mirror, compare and peer, and those within the primary
CHANNELS = ("mirror", "compare", "peer", "in", "out")
_INNER = """
    -chardev socket,id=compare0,path={folder}/in,server=on,wait=off
    -chardev socket,id=compare0-0,path={folder}/in-relay,reconnect=1
    -chardev socket,id=compare_out,path={folder}/out,server=on,wait=off
    -chardev socket,id=compare_out0,path={folder}/out-relay,reconnect=1
"""
RUNS_ON = "the primary's guest runs on uncompared"


class Relayed:
    """A pair, and a relay for each of its channels."""

    def __init__(self, folder: Path, peer: bool = True) -> None:
        self._folder = folder
        ends = {
            name: (f"path={folder}/{name}", f"path={folder}/{name}-relay") for name in ("mirror", "compare", "peer")
        }
        wiring = Wiring(
            peer=peer,
            inner=_INNER.format(folder=folder),
            addresses=tuple((name, server) for name, (server, _) in ends.items()),
            secondary_addresses=tuple((name, client) for name, (_, client) in ends.items()),
        )
        self.relays = {name: Relay(folder / f"{name}-relay", folder / name) for name in CHANNELS}
        self.pair = Pair(folder, wiring)

    def __enter__(self) -> Relayed:
        with ExitStack() as stack:
            for relay in self.relays.values():
                stack.enter_context(relay)
            stack.enter_context(self.pair)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.__exit__(*details)  # type: ignore[arg-type]


@pytest.fixture
def relayed(tmp_path: Path) -> Iterator[Relayed]:
    need("ip")
    with Relayed(tmp_path) as made:
        yield made


def check_protected(pair: Pair) -> None:
    """New connections are compared, none is let by, nothing differs."""
    before = pair.compared()
    assert pair.visit("in_a_row", 30, 100_000, 10)["wrong"] == []
    after = pair.compared()
    assert after["compared"] > before.get("compared", 0)
    for counter in ("divergences", "unprotected"):
        assert after.get(counter, 0) == before.get(counter, 0)


def check_runs_on(pair: Pair) -> None:
    """The primary's guest answers, uncompared."""
    before = pair.compared()
    assert pair.visit("in_a_row", 30, 100_000, 10)["wrong"] == []
    after = pair.compared()
    assert after["unprotected"] > before.get("unprotected", 0)
    assert after.get("compared") == before.get("compared")


@pytest.mark.parametrize("channel", ["compare", "peer"])
def test_a_lost_channel_stops_no_client_and_protects_again_when_it_is_back(relayed: Relayed, channel: str) -> None:
    pair = relayed.pair
    with pair.visiting("in_a_row", 500, 1_000_000, 100) as visitor:
        wait_until(lambda: pair.compared().get("compared", 0) > 100, "some traffic")
        relayed.relays[channel].cut()
        pair.primary.wait_for_output(RUNS_ON)
        visitor.wait_for_output(r'"wrong": \[\]')
    check_runs_on(pair)
    synced = pair.primary.output.count(SYNCED)
    relayed.relays[channel].mend()
    pair.wait_synced(synced + 1)
    check_protected(pair)
    assert pair.compared()["losses"] == 1
    assert pair.primary.output.count("what is open becomes unprotected") == 1


def test_a_mirror_that_is_lost_and_back(relayed: Relayed) -> None:
    """Nothing reaches the secondary, so it is silent."""
    pair = relayed.pair
    relayed.relays["mirror"].cut()
    assert pair.visit("in_a_row", 30, 100_000, 10, timeout=120)["wrong"] == []
    relayed.relays["mirror"].mend()
    wait_until(lambda: pair.primary.output.count("chardev mirror0: connected") == 2, "the mirror's peer")


@pytest.mark.parametrize("channel", ["in", "out"])
def test_primary_in_or_outdev_lost_and_back_the_clients_connection_goes_on(relayed: Relayed, channel: str) -> None:
    pair = relayed.pair
    with pair.visiting("in_a_row", 400, 1_000_000, 100) as visitor:
        wait_until(lambda: pair.compared().get("compared", 0) > 100, "some traffic")
        synced = pair.primary.output.count(SYNCED)
        relayed.relays[channel].cut()
        pair.primary.wait_for_output("what is open becomes unprotected")
        relayed.relays[channel].mend()
        pair.wait_synced(synced + 1)
        visitor.wait_for_output(r'"wrong": \[\]')
    check_protected(pair)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_secondarys_process_ends_and_another_takes_its_place(relayed: Relayed, number: signal.Signals) -> None:
    pair = relayed.pair
    with pair.visiting("in_a_row", 500, 1_000_000, 100) as visitor:
        wait_until(lambda: pair.compared().get("compared", 0) > 100, "some traffic")
        pair.secondary.signal(number)
        pair.secondary.popen.wait(20)
        pair.primary.wait_for_output(RUNS_ON)
        visitor.wait_for_output(r'"wrong": \[\]')
    check_runs_on(pair)
    pair.start_secondary()
    check_protected(pair)


def test_without_a_colo_peer_it_runs_on_after_compare_timeout(tmp_path: Path) -> None:
    need("ip")
    with Relayed(tmp_path, peer=False) as relayed:
        pair = relayed.pair
        relayed.relays["compare"].cut()
        pair.primary.wait_for_output(f"{RUNS_ON}.*within compare_timeout")
        check_runs_on(pair)
        relayed.relays["compare"].mend()
        pair.wait_synced(2)
        check_protected(pair)


def test_what_is_open_goes_on_when_a_channel_is_lost_and_ends_unprotected(relayed: Relayed) -> None:
    pair = relayed.pair
    with pair.visiting("ping_pong", 2_000, 0.01, 100) as visitor:
        wait_until(lambda: pair.compared().get("compared", 0) > 100, "some traffic")
        relayed.relays["compare"].cut()
        pair.primary.wait_for_output(RUNS_ON)
        relayed.relays["compare"].mend()
        pair.wait_synced(2)
        visitor.wait_for_output(r'"wrong": \[\]')
    counters = pair.compared()
    assert counters["unprotected"] > 0
    assert counters.get("divergences", 0) == 0
    check_protected(pair)

"""
A client talks with two guests as if they were one: kernels' TCP and UDP through a whole pair, and what it counts.

After each kind of traffic both guests have received and sent the same, everything was compared, and nothing diverged.
With COLO_LONG set there is more of everything; ten thousand connections in a row alone:

    COLO_LONG=1 pytest tests/system/test_pair.py -k 'in_a_row and offloads-on'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.namespaces import need
from tests.support.pair import GUEST_V6, Pair, Wiring
from tests.support.traffic import GUEST, LONG
from tests.support.vlan import tagged_interface

ETC = Path(__file__).parents[2] / "etc"
MB = 1_000_000
BIG = (300 if LONG else 30) * MB
TAGGED_CLIENT, TAGGED_GUEST = "10.0.7.1", "10.0.7.2"


@dataclass(frozen=True)
class Case:
    """A wiring, and the address at which the client finds the guest."""

    wiring: Wiring
    address: str = GUEST
    share: int = 1  # of the traffic: one nth


CASES = {
    "offloads-on": Case(Wiring()),
    "offloads-off": Case(Wiring(offloads=False), share=3),
    "loopback-sockets": Case(Wiring(loopback=True), share=5),
    "no-colo-peer": Case(Wiring(peer=False), share=5),
    "ipv6": Case(Wiring(), GUEST_V6, share=3),
    "ipv6-offloads-off": Case(Wiring(offloads=False), GUEST_V6, share=5),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def pair(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    need("ip", "sysctl")
    folder = tmp_path_factory.mktemp("pair")
    with Pair(folder, case.wiring, ipv6=case.address == GUEST_V6) as made:
        yield made


def go(pair: Pair, case: Case, kind: str, *numbers: int) -> dict[str, Any]:
    found = pair.visit(kind, *numbers, address=case.address)
    pair.check(found)
    return found


def test_connections_in_a_row_large_and_small_down_and_up(pair: Pair, case: Case) -> None:
    count = (10_000 if LONG else 1_000) // case.share
    assert (
        go(pair, case, "in_a_row", count, (100 if LONG else 10) * MB // case.share, count // 4)["connections"] == count
    )


def test_two_hundred_connections_at_a_time(pair: Pair, case: Case) -> None:
    go(pair, case, "in_parallel", 200 // case.share, 100_000)


def test_a_big_download_and_a_big_upload(pair: Pair, case: Case) -> None:
    go(pair, case, "down_and_up", BIG // case.share)


def test_a_dialogue_with_pauses(pair: Pair, case: Case) -> None:
    """In the first wiring, or with COLO_LONG, longer ones than compare_timeout."""
    go(pair, case, "ping_pong", 200, 3.5 if LONG or case.share == 1 else 0.1, 2)


def test_datagrams_and_answers(pair: Pair, case: Case) -> None:
    go(pair, case, "datagrams", 300 // case.share)


def test_pings(pair: Pair, case: Case) -> None:
    need("ping")
    before = pair.compared()["compared"]
    pair.client.run("ping", "-nq", "-c10", "-i0.05", "-w10", case.address)
    assert pair.troubles() == {}
    assert pair.compared()["compared"] >= before + 10


class Examples:
    """The wiring of the examples in etc/, with the TAPs' names that the hosts here expect."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def primary(self) -> list[str]:
        return self._words("primary.conf", "lan")

    def secondary(self) -> list[str]:
        return self._words("secondary.conf", "nowhere")

    def _words(self, name: str, ifname: str) -> list[str]:
        text = (ETC / name).read_text()
        for property, value in (("script", f'"no"\n  ifname = "{ifname}"'), ("downscript", '"no"')):
            text, count = re.subn(rf"^  {property} = .*$", f"  {property} = {value}", text, flags=re.MULTILINE)
            assert count == 1
        text = text.replace("/run/colo/qmp.sock", str(self._folder / f"{name}.qmp"))
        (self._folder / name).write_text(text)
        return ["-readconfig", str(self._folder / name)]


def test_the_examples_make_a_pair(tmp_path: Path) -> None:
    need("ip")
    with Pair(tmp_path, Examples(tmp_path)) as pair:
        pair.check(pair.visit("in_a_row", 50, MB, 10))


@pytest.mark.parametrize("offloads", [True, False])
def test_tagged_frames(tmp_path: Path, offloads: bool) -> None:
    with (
        Pair(tmp_path, Wiring(offloads=offloads)) as pair,
        tagged_interface(pair.client, "lan", 7, tmp_path) as clients,
        tagged_interface(pair.guest, "e0", 7, tmp_path) as guests,
        tagged_interface(pair.replica, "e0", 7, tmp_path) as replicas,
    ):
        pair.client.ip(f"addr add {TAGGED_CLIENT}/24 dev {clients}")
        for guest, interface in ((pair.guest, guests), (pair.replica, replicas)):
            mac = guest.run("cat", "/sys/class/net/e0/address").strip()
            guest.ip(f"link set {interface} address {mac}")  # where it is no interface of the kernel's
            guest.ip(f"addr add {TAGGED_GUEST}/24 dev {interface}")
        for kind, *numbers in (("in_a_row", 50, MB, 10), ("datagrams", 30)):
            pair.check(pair.visit(kind, *numbers, address=TAGGED_GUEST))

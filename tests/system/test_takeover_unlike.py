"""
The primary dies, and the secondary is another in all that TCP lets differ: its numbers, its clock, half a second late.

The guests' TCP is the user-space one; the client's is the kernel's, whose PAWS check (RFC 7323 section 5) drops what
seems to be from an older time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.colo_ft import OURS
from tests.support.lan import Lan, Node
from tests.support.namespaces import need
from tests.support.processes import Process, wait_until
from tests.support.service import BLOCK, HTTP
from tests.support.traffic import GUEST, GUEST_MAC
from tests.support.visits import found

ROOT = Path(__file__).parents[2]
OUTLIVING = ROOT / "tests" / "support" / "outliving.py"
LATE = 500  # milliseconds
UPLOAD = 100_000
WRAP = 1 << 32


@dataclass(frozen=True)
class Unlike:
    """What a connection begins with at the primary and at the secondary."""

    isns: tuple[int, int]
    clocks: tuple[int, int]


# one connection for each, to a port of its own; clocks tick milliseconds
CONNECTIONS = (
    Unlike((1_000, 3_000_000_000), (5_000, 1_000_005_000)),  # the secondary's clock is ahead by eleven days
    Unlike((3_000_000_000, 1_000), (2_000_000_000, 5_000)),  # behind by more than three weeks
    Unlike((WRAP - 1, 7), (WRAP - 700, 40)),  # the primary's will soon begin anew
    Unlike((7, WRAP - 1), (40, WRAP - 100)),  # the secondary's
    Unlike((0, 1 << 31), (1 << 31, 0)),  # half round
)
PORTS = [HTTP + number for number in range(len(CONNECTIONS))]


def start_guest(lan: Lan, node: Node, late: int) -> None:
    """The node's guest, the first node's numbers being the primary's."""
    which = lan.nodes.index(node)
    node.guest.take("e0", node.host)
    isns, clocks = (",".join(str(getattr(each, name)[which]) for each in CONNECTIONS) for name in ("isns", "clocks"))
    words = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.support.guest", "e0", GUEST_MAC, GUEST]
    numbers = ["--isn", isns, "--clock", clocks, "--late", str(late)]
    log = lan.folder / f"{node.name}-guest.log"
    node.service = lan.stack.enter_context(Process(node.guest.words(*words, *numbers), log))
    node.service.wait_for_output("serving")


@contextlib.contextmanager
def a_pair(folder: Path) -> Iterator[tuple[Lan, Node, Node]]:
    """Primary and secondary, and the secondary's guest is late; whatever begins now is protected."""
    need("ip")
    with Lan(folder) as lan:
        one, two = lan.add("a"), lan.add("b")
        for node, late, role, text in (
            (one, 0, "alone=manual", OURS.primary),
            (two, LATE, "takeover=auto", OURS.secondary.format(primary_ip=one.address)),
        ):
            node.start(text.replace(",role=", f",state-file={folder}/{node.name}.peer,direct=on,{role},role="))
            start_guest(lan, node, late)
        one.wait_synced()
        yield lan, one, two


@contextlib.contextmanager
def outliving(lan: Lan, moment: str, *doomed: Process) -> Iterator[Process]:
    """The client; these processes it kills."""
    numbers = [",".join(map(str, each)) for each in (PORTS, [process.pid for process in doomed])]
    words = [sys.executable, str(OUTLIVING), GUEST, moment, str(lan.folder / "kill"), *numbers]
    with Process(lan.client.words(*words), lan.folder / "outliving.log") as client:
        yield client


def told(node: Node, port: int, until: float = float("inf")) -> dict[str, Any]:
    """The newest that the guest told of the connection to a port before then."""
    lines = [json.loads(line) for line in node.service.output.splitlines() if line.endswith("}")]
    known = [line for line in lines if line["port"] == port and line["at"] <= until]
    return known[-1] if known else {"received": 0, "sha256": hashlib.sha256().hexdigest()}


def check_end(client: Process) -> dict[str, Any]:
    """All was right at the client; what it said when it killed."""
    wait_until(lambda: client.popen.poll() is not None, f"the end of {client.words}", 60.0)
    result = found(client.output)
    assert result["wrong"] == []
    assert result["connections"] == len(PORTS)
    killed: dict[str, Any] = json.loads(result["said"][-1])
    return killed


def check_guests(lan: Lan, one: Node, two: Node) -> None:
    """Nobody was told nonsense, the survivor served all to the end, and the client's PAWS check dropped nothing."""
    for node in (one, two):
        for port in PORTS:
            last = told(node, port)
            assert (last["stamped"], last["old"], last["wrongs"]) == (True, 0, [])
    wait_until(lambda: all(told(two, port)["state"] in ("LAST-ACK", "CLOSED") for port in PORTS), "all being closed")
    assert two.replica()["state"] == "taken-over"
    assert not any(paws(lan).values()), paws(lan)


def paws(lan: Lan) -> dict[str, int]:
    """What the client's checks of timestamps have dropped, by the kernel's names."""
    lines = [line.split() for line in lan.client.run("cat", "/proc/net/netstat").splitlines()]
    names, values = (line for line in lines if line[0] == "TcpExt:")
    counted = dict(zip(names[1:], map(int, values[1:])))
    return {name: value for name, value in counted.items() if "PAWS" in name or name == "TSEcrRejected"}


@pytest.mark.parametrize("doomed", ["process", "process and guest"])
def test_the_primary_dies_at_once_after_the_handshake(doomed: str, tmp_path: Path) -> None:
    with a_pair(tmp_path) as (lan, one, two):
        with outliving(lan, "opened", *([one.service] if "guest" in doomed else []), one.colo) as client:
            killed = check_end(client)["killed"]
        assert {told(two, port, killed)["state"] for port in PORTS} == {"SYN-RECEIVED"}
        check_guests(lan, one, two)


@pytest.mark.parametrize("moment", ["served", "downloading"])
def test_the_primary_dies_after_the_first_data(moment: str, tmp_path: Path) -> None:
    with a_pair(tmp_path) as (lan, one, two):
        with outliving(lan, moment, one.service, one.colo) as client:
            check_end(client)
        check_guests(lan, one, two)


def test_what_only_the_primary_has_is_not_acknowledged(tmp_path: Path) -> None:
    """At its death the secondary has processed all that the client was told is safe; the rest the client sends anew."""
    with a_pair(tmp_path) as (lan, one, two):
        with outliving(lan, "uploading", one.service, one.colo) as client:
            client.wait_for_output("uploading")
            wait_until(lambda: ahead(one, two), "the primary being ahead on all connections")
            (tmp_path / "kill").touch()
            killed = check_end(client)
        for port in PORTS:
            check_safe(one, two, port, killed)
        check_guests(lan, one, two)


def ahead(one: Node, two: Node) -> bool:
    """Whether the secondary's guest has got something on each connection, and the primary's much more."""
    got = [(told(one, port)["received"], told(two, port)["received"]) for port in PORTS]
    return all(0 < secondary < primary - 10_000 for primary, secondary in got)


def check_safe(one: Node, two: Node, port: int, killed: dict[str, Any]) -> None:
    """Every byte that was acknowledged at the death had been processed by the secondary, and was right."""
    upload = b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (UPLOAD, BLOCK[:UPLOAD])
    acknowledged = len(upload) - killed["unacknowledged"][str(port)]
    primary, secondary = (told(node, port, killed["killed"]) for node in (one, two))
    assert 0 < acknowledged <= secondary["received"] < primary["received"]
    assert secondary["sha256"] == hashlib.sha256(upload[: secondary["received"]]).hexdigest()

"""colo-ctl as a program, on ``twistd colo`` as a program: alone, and on the whole pair."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import RawPcapReader

from tests.support.environments import Environment
from tests.support.namespaces import need, run
from tests.support.pair import Pair, Wiring
from tests.support.processes import PATIENCE, Colo, Process, wait_until

SLOW_BUILD = "packets/ is not compiled"


def colo_ctl(colo: Colo, *words: str, status: int = 0) -> str:
    """What a run of colo-ctl prints; it must end with the exit status."""
    done = subprocess.run(
        [sys.executable, "-m", "colo_twisted.ctl", "-s", str(colo.control), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def asked(colo: Colo, *words: str, status: int = 0) -> Any:
    """The same, of what --json prints."""
    return json.loads(colo_ctl(colo, *words, "--json", status=status))


def problem_status(colo: Colo) -> int:
    """The exit status that `status` must have: that of errors; a warning (the build) is none."""
    return 3 if any(known["severity"] == "error" for known in colo.qmp("query-colo-replica")["problems"]) else 0


def problems(colo: Colo) -> list[str]:
    """Those that `status` shows, but for the build's and the TAP that leads nowhere; its exit status must fit."""
    document = asked(colo, "status", "--no-rates", status=problem_status(colo))
    found = [problem["what"] for problem in document["replica"]["problems"]]
    return [what for what in found if not what.startswith((SLOW_BUILD, "TAP nowhere"))]


# alone


@pytest.fixture
def colo(tmp_path: Path) -> Iterator[Colo]:
    words = ["-name", "alpha", "-netdev", f"stream,id=hn0,server=on,addr.type=unix,addr.path={tmp_path}/hn0"]
    words += ["-netdev", f"stream,id=g0,server=on,addr.type=unix,addr.path={tmp_path}/g0"]
    words += ["-device", "e1000,id=e0,netdev=hn0,guest=g0"]
    with Colo(words, tmp_path) as colo:
        yield colo


AS_NOBODY = """
import os, sys
import difflib  # what click imports later, and this user may not read
from colo_twisted.ctl.main import cli
os.seteuid(65534)
cli(sys.argv[1:])
"""


def test_the_socket_is_its_owners_alone() -> None:
    need("ip")
    with tempfile.TemporaryDirectory(prefix="colo-") as folder:
        os.chmod(folder, 0o755)
        with Colo(["-chardev", "null,id=n0"], Path(folder)) as colo:
            assert stat.S_IMODE(colo.control.stat().st_mode) == 0o600
            words = [sys.executable, "-c", AS_NOBODY, "-s", str(colo.control), "wait", "ready"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        f"colo-ctl: permission denied at unix:{colo.control}: the socket is its owner's (mode 0600);"
        " run colo-ctl as root, or as root\n"
    )


def test_status_names_the_process_and_shows_the_chain(colo: Colo) -> None:
    shown = colo_ctl(colo, "status", "--interval", "0.1", status=problem_status(colo))
    assert shown.startswith("alpha: no replication, running, ")
    assert "netdev hn0   stream up, nobody connected, guest g0 up, nobody connected, offloads off" in shown
    assert "in 0 frames/s, 0 B/s; out 0 frames/s, 0 B/s" in shown
    assert "network > guest" in shown


@pytest.mark.parametrize(
    ("what", "text", "id"),
    [
        ("chardev", "socket,id=s0,path={folder}/s0,server=on,wait=off", "s0"),
        ("chardev", "socket,id=s0,path={folder}/s0,server,nowait", "s0"),
        ("chardev", "socket,id=s0,host=127.0.0.1,port=9003,reconnect-ms=100,nodelay=on", "s0"),
        ("chardev", "socket,id=s0,path={folder}/nobody", "s0"),
        ("chardev", "pair,id=a,peer=b", "a"),
        ("chardev", "null,id=n0", "n0"),
        ("netdev", "stream,id=st1,server=on,addr.type=unix,addr.path={folder}/st1", "st1"),
        ("netdev", "stream,id=st1,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port=9004,reconnect=1", "st1"),
        ("netdev", "socket,id=so1,listen=127.0.0.1:9005", "so1"),
        ("object", "filter-drop,id=f0,netdev=hn0,queue=rx,status=off", "f0"),
        ("object", "filter-buffer,id=f0,netdev=hn0,interval=10ms,max_backlog=1M,insert=before,position=head", "f0"),
        ("object", "filter-dump,id=f0,netdev=hn0,file={folder}/d.pcap,maxlen=100", "f0"),
        ("object", "colo-passthrough,id=r0,protocol=tcp,destination-port=3389", "r0"),
        ("object", "checkpoint-command,id=k0,command=/bin/true -x,timeout=5s", "k0"),
        ("object", '{{"qom-type": "filter-rewriter", "id": "f0", "netdev": "hn0", "vnet_hdr_support": true}}', "f0"),
    ],
)
def test_what_stands_on_a_command_line_can_be_added_and_removed(
    what: str, text: str, id: str, colo: Colo, tmp_path: Path
) -> None:
    assert colo_ctl(colo, "add", what, text.format(folder=tmp_path)) == f"added {what} {id}\n"
    assert colo_ctl(colo, "del", what, id) == f"removed {what} {id}\n"


def test_a_device_is_plugged_into_a_netdev_that_was_added(colo: Colo, tmp_path: Path) -> None:
    ends = [f"stream,id={id},server=on,addr.type=unix,addr.path={tmp_path}/{id}" for id in ("st1", "st2")]
    colo_ctl(colo, "add", "netdev", *ends)
    colo_ctl(colo, "add", "device", "e1000,id=e1,netdev=st1,guest=st2")
    assert "netdev st1   stream up, nobody connected, guest st2 up" in colo_ctl(
        colo, "status", "--no-rates", status=problem_status(colo)
    )
    colo_ctl(colo, "del", "device", "e1")
    colo_ctl(colo, "del", "netdev", "st2", "st1")
    assert [chain["netdev"] for chain in colo.qmp("query-chain")] == ["hn0"]


def test_properties_are_listed_and_set_by_the_units_of_the_command_line(colo: Colo) -> None:
    colo_ctl(colo, "add", "object", "filter-buffer,id=f0,netdev=hn0,interval=1s")
    assert asked(colo, "set", "f0") == {"f0": {"status": "on", "interval": 1_000_000, "max_backlog": 64 << 20}}
    colo_ctl(colo, "set", "f0", "status=off", "interval=20ms", "max_backlog=1M")
    assert asked(colo, "set") == {"f0": {"status": "off", "interval": 20_000, "max_backlog": 1 << 20}}
    assert "f0 (buffer all OFF)" in colo_ctl(colo, "status", "--no-rates", status=problem_status(colo))
    assert "is not writable" in colo_ctl(colo, "set", "f0", "netdev=hn1", status=1)


def test_what_is_refused_is_one_line(colo: Colo) -> None:
    for words in (
        ["add", "object", "filter-mirror,id=m0,netdev=hn0,outdev=nope"],
        ["add", "object", "nonsense,id=m0"],
        ["add", "chardev", "socket,id=s0"],
        ["del", "object", "nope"],
        ["set", "nope", "status=on"],
        ["checkpoint"],
        ["failover", "--yes"],
        ["qmp", "nonsense"],
    ):
        said = colo_ctl(colo, *words, status=1)
        assert said.startswith("colo-ctl: "), said
        assert len(said.splitlines()) == 1, said


def test_the_others_show_that_there_is_nothing(colo: Colo) -> None:
    assert asked(colo, "divergences") == []
    assert "stream" not in colo_ctl(colo, "top", "--count", "1", "--interval", "0.1").split("TRAFFIC")[0]
    assert "netdev hn0" in colo_ctl(colo, "top", "--count", "1", "--interval", "0.1")
    assert "there is no replica here" in colo_ctl(colo, "wait", "synced", "--timeout", "0", status=4)


def test_wait_and_events_see_a_peer_come(colo: Colo, tmp_path: Path) -> None:
    colo_ctl(colo, "add", "chardev", f"socket,id=s0,path={tmp_path}/s0,server=on,wait=off")
    colo_ctl(colo, "add", "object", "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=s0")
    assert "chardev s0 has no peer" in colo_ctl(colo, "wait", "ready", "--timeout", "0.3", status=4)
    words = [sys.executable, "-m", "colo_twisted.ctl", "-s", str(colo.control)]
    events = Process([*words, "events", "--count", "1", "COLO_CHARDEV_CONNECTED"], tmp_path / "events.log")
    ready = Process([*words, "wait", "ready", "--timeout", str(PATIENCE)], tmp_path / "ready.log")
    clients = "monitor compat_monitor0"
    with events, ready:
        wait_until(lambda: counted(colo, clients, "clients") >= 6, "both at the server")
        colo_ctl(colo, "add", "chardev", f"socket,id=s1,path={tmp_path}/s0")
        assert events.popen.wait(PATIENCE) == ready.popen.wait(PATIENCE) == 0
    assert "COLO_CHARDEV_CONNECTED id=s" in events.output
    assert ready.output.splitlines()[-1].startswith("ready (waited ")


def counted(colo: Colo, name: str, counter: str) -> int:
    kind, id = name.split()
    return int(colo.qmp("query-stats", kind=kind, id=id)[0]["counters"][counter])


def test_wait_is_there_first_and_sees_the_end(tmp_path: Path) -> None:
    control = tmp_path / "colo.qmp"
    words = [sys.executable, "-m", "colo_twisted.ctl", "-s", str(control), "wait", "ready", "--timeout", str(PATIENCE)]
    with Process(words, tmp_path / "wait.log") as waiting:
        waiting.wait_for_output("waiting for ready: no colo_twisted listens at")
        with Colo(["-chardev", "null,id=n0"], tmp_path) as colo:
            assert waiting.popen.wait(PATIENCE) == 0
            assert colo_ctl(colo, "qmp", "quit") == "{}\n"
            assert colo.popen.wait(PATIENCE) == 0
            assert "no colo_twisted listens at" in colo_ctl(colo, "status", status=1)


def test_the_installed_program(installed: Environment, tmp_path: Path) -> None:
    program = str(installed.folder / "bin" / "colo-ctl")
    assert "Commands:" in run(program, "--help")
    with Colo(["-chardev", "null,id=n0"], tmp_path) as colo:
        assert run(program, "-s", str(colo.control), "wait", "ready").startswith("ready")


# the pair


def test_a_pair_by_colo_ctl_alone(tmp_path: Path) -> None:
    need("ip", "ping")
    with Pair(tmp_path, Wiring(compare=("on_divergence=release",))) as pair:
        for colo in (pair.primary, pair.secondary):
            colo_ctl(colo, "wait", "ready", "--timeout", str(PATIENCE))
            assert problems(colo) == []
        colo_ctl(pair.primary, "wait", "synced", "--timeout", str(PATIENCE))
        check_screen(pair.primary)
        check_connections(pair)
        check_divergences(pair, tmp_path / "d.pcap")
        check_take_over(pair)


def check_screen(primary: Colo) -> None:
    lines = colo_ctl(primary, "status", status=problem_status(primary)).splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "primary, running" in lines[0]
    assert "state        synced for " in text
    assert "compare0, compare0-0       up  pair" in text
    assert "network > m0 (mirror tx) > redire0 (redirector rx) >" in text
    assert "channels     all " in text


def check_connections(pair: Pair) -> None:
    pair.check(pair.visit("in_a_row", 3, 1000, 1))
    for colo in (pair.primary, pair.secondary):
        rows = asked(colo, "connections")["connections"]
        assert len([row for row in rows if row["connection"].startswith("TCP")]) >= 3
        assert len(colo_ctl(colo, "connections", "--limit", "2").splitlines()) == 4


def check_divergences(pair: Pair, pcap: Path) -> None:
    """Made by a question that each guest answers in its own way."""
    assert pair.visit("get", "/name", 2)["said"] == ["primary", "primary"]
    shown = colo_ctl(pair.primary, "divergences", "-v", "--pcap", str(pcap))
    assert shown.startswith("#1 ")
    assert "payload of TCP 10.0.0.2:80 to 10.0.0.1:" in shown
    assert "    the primary's, " in shown
    assert "    the secondary's, " in shown
    packets = [packet for packet, _ in RawPcapReader(str(pcap))]
    assert b"primary" in packets[0]
    assert b"secondary" in packets[1]
    assert "LAST DIVERGENCES" in colo_ctl(pair.primary, "status", status=problem_status(pair.primary))


def check_take_over(pair: Pair) -> None:
    pair.primary.stop()
    colo_ctl(pair.secondary, "wait", "synced", "--timeout", "0.5", status=4)
    said = colo_ctl(pair.secondary, "failover", "--yes").splitlines()
    assert said[0].startswith("The secondary has taken over: the state is taken-over")
    for line in said:
        if line.startswith("  colo-ctl del "):
            colo_ctl(pair.secondary, *line.split()[1:])
    filters = [known["id"] for known in pair.secondary.qmp("query-chain")[0]["filters"]]
    assert filters == ["rew0"]
    assert not {"red0", "red1"} & {chardev["label"] for chardev in pair.secondary.qmp("query-chardev")}

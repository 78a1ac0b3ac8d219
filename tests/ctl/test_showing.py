from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from colo_twisted.ctl.errors import CannotReach, Refused
from tests.ctl.canned import DIVERGENCE, LOST, CannedServer
from tests.ctl.objects import a_server

PACKET = base64.b64encode(bytes(60)).decode()


# status


def test_status_when_all_is_well() -> None:
    server = CannedServer()
    shown = server.run("status")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0] == "alpha: primary, running, all is well (colo_twisted 0.1.0)"
    assert "in 1,234 frames/s, 1.20 MB/s; out 2,345 frames/s, 3.40 MB/s" in shown.stdout
    assert server.clock.seconds == 1.0


def test_status_with_problems_has_an_exit_status_of_its_own() -> None:
    shown = CannedServer(query_colo_replica=LOST).run("status", "--no-rates")
    assert shown.exit_code == 3
    assert "  remedy     start the secondary" in shown.stdout


def test_status_without_rates_takes_no_time() -> None:
    server = CannedServer()
    shown = server.run("status", "--no-rates")
    assert "frames/s" not in shown.stdout
    assert server.clock.seconds == 0
    assert "query-stats" not in dict(server.executed)


def test_rates_are_measured_for_as_long_as_wished() -> None:
    server = CannedServer()
    assert "in 1,234 frames/s" in server.run("status", "--interval", "4").stdout
    assert server.clock.seconds == 4.0


def test_status_as_json() -> None:
    shown = CannedServer(query_colo_replica=LOST).run("status", "--json")
    document = json.loads(shown.stdout)
    assert shown.exit_code == 3
    assert document["replica"] == LOST
    assert document["rates"]["netdev hn0"]["frames_in"] == 1234
    assert json.loads(CannedServer().run("--json", "status", "--no-rates").stdout)["rates"] is None


def test_a_server_that_knows_no_replicas_is_told_from_ours() -> None:
    server = CannedServer()
    del server.answers["query-colo-replica"]
    shown = server.run("status", "--no-rates")
    assert shown.exit_code == 1
    assert shown.stderr == (
        "colo-ctl: query-colo-replica: The command query-colo-replica has not been found"
        " (unix:/run/colo/qmp.sock is of a QEMU, or of another version of colo_twisted)\n"
    )


def test_nobody_there_is_one_line() -> None:
    server = CannedServer()
    server.trouble = CannotReach("no colo_twisted listens at unix:/x: start it")
    shown = server.run("status")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == "colo-ctl: no colo_twisted listens at unix:/x: start it\n"


# connections


def connection(number: int) -> dict[str, Any]:
    return {
        "connection": f"TCP 10.0.0.2:80 to 10.0.0.1:{40_000 + number}",
        "state": "unprotected" if number % 3 == 0 else "followed",
        "held-packets": 0,
        "held-bytes": 0,
        "idle": 1.0,
    }


def page(given: dict[str, Any], total: int = 2_500) -> dict[str, Any]:
    start, limit = given["start"], given["limit"]
    rows = [connection(number) for number in range(start, min(start + limit, total))]
    return {"connections": rows, "total": total} | ({"next": start + limit} if start + limit < total else {})


def test_all_connections_page_by_page() -> None:
    server = CannedServer(query_colo_connections=page)
    lines = server.run("connections").stdout.splitlines()
    assert lines[0].endswith("CONNECTION")
    assert len(lines) == 2_502
    assert lines[-2].endswith("10.0.0.1:42499")
    assert lines[-1] == "2,500 shown"
    assert [given for _, given in server.executed] == [{"start": at, "limit": 1000} for at in (0, 1000, 2000)]


def test_some_connections_in_one_state_of_one_comparer() -> None:
    server = CannedServer(query_colo_connections=page)
    lines = server.run("connections", "comp0", "--state", "unprotected", "--limit", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["unprotected"] * 2
    assert server.executed == [("query-colo-connections", {"start": 0, "limit": 1000, "id": "comp0"})]


def test_connections_as_json() -> None:
    shown = CannedServer(query_colo_connections=page).run("connections", "--limit", "2", "--json")
    assert json.loads(shown.stdout) == {"connections": [connection(0), connection(1)]}


def test_no_connections() -> None:
    server = CannedServer(query_colo_connections=lambda given: page(given, 0))
    assert server.run("connections").stdout == "no connections\n"
    assert json.loads(server.run("connections", "--json").stdout) == {"connections": []}


def test_a_state_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    server = CannedServer(query_colo_connections=page)
    shown = server.run("connections", "--state", "foo")
    assert shown.exit_code == 2
    assert "'foo' is not one of 'followed', 'unprotected', 'passed'" in shown.stderr
    assert server.addresses == []


@pytest.mark.parametrize(
    ("words", "command", "wanted"),
    [
        (["connections", "m0"], "query-colo-connections", "colo-compare or filter-rewriter (there is comp0, rew0)"),
        (["divergences", "m0"], "query-colo-divergences", "colo-compare (there is comp0)"),
        (["checkpoint", "m0"], "colo-checkpoint", "colo-compare (there is comp0)"),
    ],
)
def test_an_id_of_something_else_is_said_so(words: list[str], command: str, wanted: str) -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise Refused(command, "GenericError", "object 'm0' not found")

    server = a_server()
    server.answers[command] = refuse
    shown = server.run(*words)
    assert (shown.exit_code, shown.stderr) == (1, f"colo-ctl: 'm0' is a filter-mirror, no {wanted}\n")


# divergences


def test_divergences_in_lines() -> None:
    server = CannedServer(query_colo_divergences=[DIVERGENCE])
    lines = server.run("divergences").stdout.splitlines()
    assert lines[0].startswith("#17 ")
    assert server.executed == [("query-colo-divergences", {"limit": 128, "packets": False})]
    assert CannedServer().run("divergences").stdout == "no divergences\n"


def test_where_nothing_is_compared_no_divergences_can_be_known() -> None:
    secondary = {"mode": "secondary", "state": "synced", "problems": []}
    shown = CannedServer(query_colo_replica=secondary).run("divergences").stdout
    assert shown == "none are known here: this is the secondary, and only the primary compares (ask there)\n"
    nothing = {"mode": "none", "state": "none", "problems": []}
    shown = CannedServer(query_colo_replica=nothing).run("divergences").stdout
    assert shown == "none are known here: there is no colo-compare\n"
    assert json.loads(CannedServer(query_colo_replica=secondary).run("divergences", "--json").stdout) == []


def test_divergences_with_packets() -> None:
    server = CannedServer(query_colo_divergences=[{**DIVERGENCE, "primary": PACKET}])
    shown = server.run("divergences", "comp0", "-v", "--limit", "1").stdout
    assert "    the primary's, 60 bytes:\n      0000  00 00" in shown
    assert "there is no packet of the secondary" in shown
    assert server.executed == [("query-colo-divergences", {"limit": 1, "packets": True, "id": "comp0"})]


def test_divergences_as_json() -> None:
    shown = CannedServer(query_colo_divergences=[DIVERGENCE]).run("divergences", "--json")
    assert json.loads(shown.stdout) == [DIVERGENCE]


def test_divergences_as_a_pcap_file(tmp_path: Path) -> None:
    path = tmp_path / "d.pcap"
    server = CannedServer(query_colo_divergences=[{**DIVERGENCE, "primary": PACKET, "secondary": PACKET}])
    shown = server.run("divergences", "--pcap", str(path))
    assert shown.exit_code == 0
    assert path.stat().st_size == 24 + 2 * (16 + 60)
    assert "primary's is packet 1, secondary's is packet 2" in shown.stdout


def test_a_pcap_file_on_stdout_stands_alone() -> None:
    server = CannedServer(query_colo_divergences=[{**DIVERGENCE, "primary": PACKET}])
    shown = server.run("divergences", "--pcap", "-", "--json")
    assert len(shown.stdout_bytes) == 24 + 16 + 60


def test_a_pcap_file_that_cannot_be_written(tmp_path: Path) -> None:
    shown = CannedServer().run("divergences", "--pcap", str(tmp_path / "no" / "d.pcap"))
    assert shown.exit_code == 1
    assert shown.stderr == f"colo-ctl: cannot write {tmp_path}/no/d.pcap: No such file or directory\n"


def test_a_reader_of_the_pcap_file_that_goes_away_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: str, mode: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("colo_twisted.ctl.showing.click.open_file", gone)
    monkeypatch.setattr("colo_twisted.ctl.console.os.dup2", lambda *_: None)
    shown = CannedServer().run("divergences", "--pcap", "-")
    assert (shown.exit_code, shown.stderr) == (141, "")


@pytest.mark.parametrize("words", [["connections", "--limit", "0"], ["divergences", "--limit", "129"], ["status", "x"]])
def test_wrong_usage(words: list[str]) -> None:
    server = CannedServer()
    assert server.run(*words).exit_code == 2
    assert server.addresses == []

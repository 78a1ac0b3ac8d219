from __future__ import annotations

import json
import shlex
import sys

import pytest

from colo_twisted.ctl.errors import Lost, Refused, TooLate, Trouble
from tests.ctl.canned import NOON, CannedServer
from tests.ctl.resumable import Resumable

LISTEN = ("--listen", "10.22.1.3")
REMOVED = ["f2", "f1", "gate0", "cp0", "red1", "red0", "peer0"]
REMOVALS = [f"object-del {id}" for id in REMOVED[:4]] + [f"chardev-remove {id}" for id in ("red0", "red1", "peer0")]
ADDED = ["mirror0", "compare1", "peer0", "compare0", "compare_out", "cp0", "comp0", "m0", "redire0", "redire1"]
ADDITIONS = [f"chardev-add {id}" for id in ADDED[:5]] + [f"object-add {id}" for id in ADDED[5:]]
SWITCHES = [f"qom-set {id}=on" for id in ADDED[-3:]]
FIRST, LAST = len(REMOVALS), len([*REMOVALS, *ADDITIONS, *SWITCHES])


def refusal() -> Refused:
    return Refused("it", "GenericError", "no")


def before_anything(server: Resumable) -> set[str]:
    """What is there once what was left over has gone."""
    return server.there - {*REMOVED}


# done


def test_a_survivor_becomes_a_primary_whose_redirectors_are_switched_on_last() -> None:
    server = Resumable()
    shown = server.run("resume", *LISTEN)
    assert shown.exit_code == 0, shown.stderr
    assert server.lines() == [*REMOVALS, *ADDITIONS, *SWITCHES]
    lines = shown.stdout.splitlines()
    assert lines[0] == "removed object f2"
    assert lines[FIRST] == "added chardev mirror0"
    assert lines[-2:] == ["redire1: status is on now", "synced (waited 0 s)"]


@pytest.mark.parametrize(("more", "is_said"), [([], True), (["--peer", "fence=/etc/colo/other"], False)])
def test_a_command_that_fences_whoever_was_there_before_is_named(more: list[str], is_said: bool) -> None:
    shown = Resumable().run("resume", *LISTEN, *more)
    kept = "fence=/etc/colo/fence 'a host', b is kept: it must switch off the new secondary's host now (else --peer)"
    assert shown.stderr.splitlines() == [kept] * is_said


def test_what_is_ordered_is_typed() -> None:
    server = Resumable()
    server.run("resume", *LISTEN, "--compare", "compare_timeout=5s")
    given = {order["id"]: order for name, order in server.orders() if name.endswith("-add")}
    address = {"type": "inet", "data": {"host": "10.22.1.3", "port": "9105"}}
    assert given["peer0"]["backend"] == {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
    assert given["m0"]["vnet_hdr_support"] is True
    assert given["m0"] | {"insert": "before", "position": "id=rew0", "status": "off", "queue": "tx"} == given["m0"]
    assert given["comp0"] | {"secondary_in": "compare1", "compare_timeout": "5s"} == given["comp0"]
    assert given["cp0"]["fence"] == "/etc/colo/fence 'a host', b"


def test_it_waits_until_it_is_synced() -> None:
    server = Resumable("joining", "joining", "joining", "synced")
    shown = server.run("resume", *LISTEN, "--json")
    document = json.loads(shown.stdout)
    assert document == {
        "netdev": "hn0",
        "removed": [{"what": line.split("-")[0], "id": line.split()[1]} for line in REMOVALS],
        "added": [{"what": line.split("-")[0], "id": line.split()[1]} for line in ADDITIONS],
        "switched-on": ADDED[-3:],
        "failed": None,
        "taken-back": [],
        "again": None,
        "synced": True,
        "seconds": 0.5,
        "missing": [],
    }


def test_progress_is_told_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import colo_twisted.ctl.resume

    monkeypatch.setattr(colo_twisted.ctl.resume, "is_terminal", lambda stream: stream is sys.stderr)
    shown = Resumable("joining", "joining", "joining", "synced").run("resume", *LISTEN)
    assert shown.stderr.splitlines()[-1] == "waiting for synced: state is joining"


def test_a_secondary_that_does_not_come_in_time_may_come_later() -> None:
    server = Resumable("joining")
    shown = server.run("resume", *LISTEN, "--timeout", "3", "--json")
    assert shown.exit_code == 4
    assert shown.stderr.splitlines()[-1] == "colo-ctl: not synced within 3 s: state is joining"
    assert json.loads(shown.stdout)["missing"] == ["state is joining"]
    assert server.clock.now() == NOON + 3
    assert server.there >= {*ADDED}


def test_without_waiting() -> None:
    server = Resumable("joining")
    shown = server.run("resume", *LISTEN, "--no-wait")
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, "redire1: status is on now")
    assert server.clock.seconds == 0


@pytest.mark.parametrize("state", ["shut", "lost"])
def test_the_guest_is_not_led_into_a_comparer_that_lets_nothing_out(state: str) -> None:
    patient = Resumable(state, state, "joining", "synced")
    assert patient.run("resume", *LISTEN).exit_code == 0
    assert patient.lines()[-1] == "qom-set redire1=on"

    server = Resumable(state)
    expected = before_anything(server)
    shown = server.run("resume", *LISTEN, "--timeout", "2")
    assert shown.exit_code == 1
    assert f": state is {state}; start the new secondary first (taken back: " in shown.stderr
    assert "qom-set redire1=on" not in server.lines()
    assert server.there == expected


# shown only


def test_a_dry_run_shows_commands_that_do_the_same() -> None:
    server, other = Resumable(), Resumable()
    shown = server.run("resume", *LISTEN, "--dry-run")
    assert (shown.exit_code, server.orders()) == (0, [])
    lines = shown.stdout.splitlines()
    assert lines[-1] == "colo-ctl wait synced --timeout 60"
    for line in lines:
        assert other.run(*shlex.split(line)[1:]).exit_code == 0
    third = Resumable()
    third.run("resume", *LISTEN)
    assert [order for order in other.orders() if order[0] != "qom-set"] == [
        order for order in third.orders() if order[0] != "qom-set"
    ]
    assert other.lines() == third.lines()


def test_a_dry_run_as_json() -> None:
    server = Resumable()
    document = json.loads(server.run("resume", *LISTEN, "--dry-run", "--no-wait", "--json").stdout)
    assert document["netdev"] == "hn0"
    assert document["commands"][0] == "colo-ctl del object f2"
    assert document["commands"][-1] == "colo-ctl set redire1 status=on"
    assert server.orders() == []


# refused


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--json",)])
def test_a_refusal_is_one_line_and_changes_nothing(words: tuple[str, ...]) -> None:
    server = Resumable()
    shown = server.run("resume", *words)
    assert (shown.exit_code, shown.stdout, server.orders()) == (1, "", [])
    assert shown.stderr.startswith("colo-ctl: say --listen ADDRESS: ")
    assert len(shown.stderr.splitlines()) == 1


def test_a_property_that_makes_no_sense_changes_nothing() -> None:
    server = Resumable()
    shown = server.run("resume", *LISTEN, "--peer", "fence.a=1,fence=2")
    assert (shown.exit_code, server.orders()) == (1, [])
    assert shown.stderr.startswith("colo-ctl: object colo-peer,")


def test_a_server_that_knows_nothing_of_it() -> None:
    server = CannedServer()
    del server.answers["query-colo-replica"]
    shown = server.run("resume", *LISTEN)
    assert shown.exit_code == 1
    assert "is of a QEMU, or of another version" in shown.stderr


# fails


@pytest.mark.parametrize("at", range(FIRST, LAST))
@pytest.mark.parametrize("lost", [None, Lost, TooLate])
def test_each_step_that_fails_is_taken_back(at: int, lost: type[Trouble] | None) -> None:
    """Also where nobody knows whether it was done."""
    server = Resumable()
    expected = before_anything(server)
    server.fail[at] = (lambda: lost("gone")) if lost is not None else refusal
    shown = server.run("resume", *LISTEN, "--json")
    assert shown.exit_code == 1
    assert server.there == expected
    document = json.loads(shown.stdout)
    added = [id for id in ADDED if {"what": "chardev", "id": id} in document["added"]]
    added += [id for id in ADDED if {"what": "object", "id": id} in document["added"]]
    assert document["taken-back"] == added[::-1]
    assert document["failed"] == ("gone" if lost is not None else "it: no")
    told = f"taken back: {', '.join(added[::-1])}" if added else "nothing of it is there"
    assert shown.stderr.splitlines()[1:] == [f"colo-ctl: {document['failed']} ({told})"]


def test_the_guests_output_is_let_out_of_the_comparer_before_anything_else_is_taken_back() -> None:
    server = Resumable()
    server.fail[LAST - 1] = lambda: Lost("gone")
    server.run("resume", *LISTEN)
    back = server.lines()[LAST:]
    assert back[:3] == [f"qom-set {id}=off" for id in ("redire1", "redire0", "m0")]
    assert back[3:] == [
        f"{line.replace('-add', '-remove' if line.startswith('chardev') else '-del')}" for line in ADDITIONS[::-1]
    ]


@pytest.mark.parametrize("at", range(FIRST))
def test_a_removal_that_fails_leaves_the_rest(at: int) -> None:
    server = Resumable()
    there = server.there
    server.fail[at] = refusal
    shown = server.run("resume", *LISTEN)
    assert shown.exit_code == 1
    assert shown.stderr.endswith("colo-ctl: it: no (nothing of it is there)\n")
    assert server.there == there - {line.split()[1] for line in REMOVALS[:at]}
    assert ("For the next try" in shown.stderr) == (at > 0)


def test_what_was_removed_is_said_in_the_next_try() -> None:
    server = Resumable()
    server.fail[FIRST + 2] = refusal
    shown = server.run("resume", *LISTEN)
    first, _ = shown.stderr.splitlines()
    assert first.startswith("What was removed is not made again. For the next try: colo-ctl resume --listen 10.22.1.3 ")
    again = Resumable()
    wished = server.orders()[: FIRST + 2]
    assert again.run(*shlex.split(first.partition("colo-ctl ")[2])).exit_code == 0
    assert again.orders()[: FIRST + 2] == wished
    retried = server.run(*shlex.split(first.partition("colo-ctl ")[2]))
    assert retried.exit_code == 0
    assert [order for order in server.orders() if order[0] == "object-add"] == [
        order for order in again.orders() if order[0] == "object-add"
    ]


def test_the_next_try_is_said_beside_a_document_and_in_it() -> None:
    server = Resumable()
    server.fail[FIRST] = refusal
    shown = server.run("resume", *LISTEN, "--json")
    again = json.loads(shown.stdout)["again"]
    assert shown.stderr.splitlines()[0] == f"What was removed is not made again. For the next try: {again}"
    assert "state-file=/var/lib/colo/b.state,fence=" in again
    assert server.run(*shlex.split(again)[1:]).exit_code == 0


def test_the_next_try_is_said_where_nobody_knows_whether_anything_was_removed() -> None:
    server = Resumable()
    server.fail[0] = lambda: TooLate("no answer")
    shown = server.run("resume", *LISTEN, "--json")
    assert json.loads(shown.stdout)["again"].startswith("colo-ctl resume --listen 10.22.1.3 ")


def test_the_same_words_again_make_no_colo_peer_that_has_lost_its_properties() -> None:
    """What had them was removed by the try that failed: without them nobody fences, and nothing is kept on disk."""
    server = Resumable()
    server.fail[FIRST + 5] = refusal
    server.run("resume", *LISTEN)
    tried = server.orders()
    shown = server.run("resume", *LISTEN)
    assert (shown.exit_code, shown.stdout, server.orders()) == (1, "", tried)
    assert shown.stderr.startswith("colo-ctl: say --peer ")
    assert server.run("resume", *LISTEN, "--peer", "").exit_code == 0
    assert server.objects["cp0"][1].keys() == {"id", "qom-type", "chardev", "role"}


def test_an_id_that_somebody_takes_meanwhile() -> None:
    server = Resumable()
    text = "attempt to add duplicate property 'comp0' to object (type 'container')"
    server.fail[FIRST + 6] = lambda: Refused("object-add", "GenericError", text)
    shown = server.run("resume", *LISTEN)
    assert "colo-ctl: the id comp0 is taken: choose another, or remove that first (taken back: cp0, " in shown.stderr


def test_what_cannot_be_taken_back_is_said() -> None:
    server = Resumable()
    server.fail = {FIRST + 4: refusal, FIRST + 5: refusal}  # the second: of the first that is taken back
    shown = server.run("resume", *LISTEN)
    assert shown.stderr.endswith(
        "it: no (taken back: peer0, compare1, mirror0; could not be taken back: compare0 (no))\n"
    )


def test_a_server_that_has_gone_takes_nothing_back() -> None:
    server = Resumable()

    def gone() -> Trouble:
        server.trouble = Lost("nobody listens")
        return Lost("gone")

    server.fail[FIRST + 1] = gone
    shown = server.run("resume", *LISTEN)
    assert shown.stderr.endswith("gone (could not be taken back: nobody listens)\n")

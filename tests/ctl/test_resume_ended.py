"""``colo-ctl resume`` that somebody ends in the middle: by Ctrl-C, a signal, a kill, or by no longer reading it."""

from __future__ import annotations

import errno
import json
import re
import shlex
import signal
from typing import Any

import click
import pytest

from tests.ctl.resumable import Resumable
from tests.ctl.test_resume import ADDED, FIRST, LAST, LISTEN, before_anything, refusal


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", [FIRST + 3, LAST - 1])
def test_ctrl_c_takes_back_too(at: int) -> None:
    server = Resumable()
    expected = before_anything(server)
    interrupt: Any = KeyboardInterrupt
    server.fail[at] = interrupt
    shown = server.run("resume", *LISTEN)
    assert shown.exit_code == 130
    assert shown.stderr.splitlines()[-1].startswith("colo-ctl: interrupted (taken back: ")
    assert server.there == expected


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("at", range(FIRST, LAST))
def test_whoever_ends_it_it_takes_back(at: int, ended: signal.Signals) -> None:
    """As an ssh session that breaks off does."""
    server = Resumable()
    expected = before_anything(server)
    before = signal.getsignal(ended)
    server.fail[at] = lambda: signal.raise_signal(ended) or refusal()
    shown = server.run("resume", *LISTEN, "--json")
    assert shown.exit_code == 128 + ended
    assert json.loads(shown.stdout)["failed"] == f"ended by {ended.name}"
    assert shown.stderr.splitlines()[-1].startswith(f"colo-ctl: ended by {ended.name} (")
    assert (server.there, signal.getsignal(ended)) == (expected, before)


def test_what_ends_it_ends_no_taking_back() -> None:
    """A session that ends is often told so twice; the first signal may also come only then."""
    server = Resumable()
    expected = before_anything(server)
    remove = server.answers["object-del"]

    def ended(given: dict[str, Any]) -> Any:
        for each in (signal.SIGTERM, signal.SIGHUP) if given["id"] == "comp0" else ():
            signal.raise_signal(each)
        return remove(given)

    server.answers["object-del"] = ended
    server.fail[LAST - 1] = refusal
    assert server.run("resume", *LISTEN).exit_code == 1
    assert server.there == expected


def test_a_signal_while_it_waits_for_the_new_secondary_leaves_the_parts() -> None:
    server = Resumable("joining")
    server.clock.sleep = lambda seconds: signal.raise_signal(signal.SIGTERM)  # type: ignore[method-assign]
    shown = server.run("resume", *LISTEN, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["switched-on"]) == (143, ADDED[-3:])
    assert server.there >= {*ADDED}


@pytest.mark.parametrize("at", range(1, LAST))
def test_what_the_next_try_says_after_a_kill_leads_to_the_end(at: int) -> None:
    """Nothing is taken back then: a comparer may be there, and filters that are off, or not there at all."""
    server = Resumable()
    server.fail[at] = Killed
    with pytest.raises(Killed):
        server.run("resume", *LISTEN)
    shown = server.run("resume", *LISTEN)
    if shown.stderr.startswith("colo-ctl: say --peer "):
        shown = server.run("resume", *LISTEN, "--peer", "state-file=/var/lib/colo/b.state")
    elif shown.exit_code:
        for line in re.findall(r"colo-ctl ((?:set|del) [^;()]+)", shown.stderr):
            assert server.run(*shlex.split(line)).exit_code == 0
        shown = server.run("resume", *LISTEN)
    if shown.exit_code:
        assert "a new secondary has only to connect" in shown.stderr
    assert server.statuses() == {"d0": "off"} | dict.fromkeys([*ADDED[-3:], "rew0"], "on")
    assert server.objects["cp0"][1]["state-file"] == "/var/lib/colo/b.state"


@pytest.mark.parametrize("gone", [BrokenPipeError(), OSError(errno.EIO, "Input/output error")])
def test_a_reader_that_has_gone_takes_back_too(gone: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with '| head -8'; a terminal that has gone says so before SIGHUP comes."""
    echo = click.echo

    def to_nobody(text: str, err: bool = False) -> None:
        if text == "added chardev compare1":
            raise gone
        echo(text, err=err)

    monkeypatch.setattr(click, "echo", to_nobody)
    server = Resumable()
    expected = before_anything(server)
    assert server.run("resume", *LISTEN).exit_code == 141
    assert server.there == expected

"""checkpoint-command: an exit status becomes an outcome, and never more than one program runs."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from colo_twisted.checkpoint.command import CHECKPOINT_COMMAND, CheckpointCommand, CheckpointCommandProperties
from colo_twisted.interfaces import IChangeable, ICheckpointer, Outcome
from colo_twisted.options import OptionError, declare
from colo_twisted.options.keyval import split
from tests.support.fakes import FakeMachine
from tests.support.house import House, make
from tests.support.turns import until

Waiting = Generator[Any, Any, None]


def a_command(command: str, more: str = "") -> CheckpointCommand:
    machine = FakeMachine()
    machine.reactor = reactor
    made: CheckpointCommand = make(CHECKPOINT_COMMAND, f"id=k0,command={command}{more}", machine)
    return made


def test_it_is_a_checkpointer_that_never_makes_one_unasked() -> None:
    command = a_command("true")
    assert verifyObject(ICheckpointer, command)
    assert not command.pauses_primary
    command.unasked()


def test_the_defaults() -> None:
    properties = declare.parse(CheckpointCommandProperties, split("id=k0,command=copy 'the state' now"))
    assert properties.command == ("copy", "the state", "now")
    assert properties.timeout == 10_000
    assert declare.parse(CheckpointCommandProperties, split("id=k0,command=c,timeout=10s")) == declare.parse(
        CheckpointCommandProperties, split("id=k0,command=c,timeout=10000")
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("id=k0", "property 'command' is missing: a program and its arguments, quoted as for a shell"),
        (
            "id=k0,command='half",
            "property 'command' takes a program and its arguments, quoted as for a shell;"
            " got ''half' (No closing quotation)",
        ),
        (
            "id=k0,command='' x",
            "property 'command' takes a program and its arguments, quoted as for a shell; got ''' x'",
        ),
    ],
)
def test_what_is_no_command_is_an_error(text: str, error: str) -> None:
    with pytest.raises(OptionError) as caught:
        declare.parse(CheckpointCommandProperties, split(text))
    assert str(caught.value) == error


def test_a_program_that_is_not_there_is_an_error_of_the_option() -> None:
    option = "-object checkpoint-command,id=k0,command=colo-none"
    with pytest.raises(OptionError) as caught:
        House(option)
    assert str(caught.value) == f"{option}: property 'command': there is no program colo-none"


@pytest.mark.parametrize(
    ("script", "outcome", "line"),
    [
        ("exit 0", Outcome.DONE, None),
        ("exit 10", Outcome.UNCHANGED, "checkpoint 7: unchanged: exit status 10"),
        ("exit 1", Outcome.FAILED, "checkpoint 7: failed: exit status 1"),
        ("kill -15 $$", Outcome.FAILED, "checkpoint 7: failed: it was ended by signal 15"),
        ('exit $(test "$COLO_CHECKPOINT" = 7; echo $?)', Outcome.DONE, None),
    ],
)
@pytest_twisted.inlineCallbacks
def test_the_outcome_follows_the_exit_status(script: str, outcome: Outcome, line: str | None) -> Waiting:
    command = a_command(f'sh -c "{script}"' if "$(" not in script else f"sh -c '{script}'")
    with capturedLogs() as events:
        assert (yield command.checkpoint(7)) is outcome
    assert [formatEvent(event) for event in events] == ([f"checkpoint-command k0: {line}"] if line else [])
    assert command.counters.runs == getattr(command.counters, outcome.value) == 1


@pytest_twisted.inlineCallbacks
def test_one_that_takes_too_long_has_failed() -> Waiting:
    command = a_command("sleep 600", ",timeout=200ms")
    with capturedLogs() as events:
        assert (yield command.checkpoint(7)) is Outcome.FAILED
    expected = "checkpoint-command k0: checkpoint 7: failed: it took longer than 0.2 s"
    assert [formatEvent(event) for event in events] == [expected]


@pytest_twisted.inlineCallbacks
def test_the_time_that_it_may_take_changes_while_it_runs() -> Waiting:
    command = a_command("sleep 600")
    assert verifyObject(IChangeable, command)
    done = command.checkpoint(7)
    command.change(declare.parse(CheckpointCommandProperties, split("id=k0,command=sleep 600,timeout=200")))
    assert (yield done) is Outcome.FAILED


@pytest.mark.parametrize("how", ["cancel", "stop"])
@pytest_twisted.inlineCallbacks
def test_cancelled_it_has_failed_and_a_late_success_changes_nothing(tmp_path: Path, how: str) -> Waiting:
    started, finished = tmp_path / "started", tmp_path / "finished"
    command = a_command(f"sh -c 'touch {started}; sleep 600; touch {finished}'")
    outcomes: list[Outcome] = []
    command.checkpoint(7).addCallback(outcomes.append)
    yield from until(started.exists)
    getattr(command, how)()
    assert outcomes == [Outcome.FAILED]
    command.cancel()
    assert outcomes == [Outcome.FAILED]
    assert not finished.exists()


@pytest_twisted.inlineCallbacks
def test_a_second_one_at_a_time_is_refused() -> Waiting:
    command = a_command("sleep 600")
    first = command.checkpoint(7)
    assert (yield command.checkpoint(8)) is Outcome.FAILED
    assert not first.called
    command.cancel()
    assert (yield first) is Outcome.FAILED
    assert (command.counters.runs, command.counters.failed) == (1, 2)

"""A program that is run: its exit status alone counts, it is bounded in time, and nothing of it is left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.checkpoint import program
from colo_twisted.checkpoint.program import MOST_LINE_BYTES, MOST_LINES, Program, _Run
from colo_twisted.options import OptionError
from colo_twisted.reporting import LINES_A_WINDOW, Reporter
from tests.support.turns import until

Waiting = Generator[Any, Any, None]


def a_program(*command: str, timeout: float = 60.0, meaningful: tuple[int, ...] = (0,)) -> Program:
    return Program(reactor, command, timeout, frozenset(meaningful), Reporter("program"))


def shell(text: str, **bounds: Any) -> Program:
    return a_program("sh", "-c", text, **bounds)


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("status", [0, 1, 2, 77, 127])
@pytest_twisted.inlineCallbacks
def test_the_exit_status_is_the_result(status: int) -> Waiting:
    run = shell(f"exit {status}")
    assert (yield run.run({})) == status
    assert (run.why_not, run.running) == ("", False)


@pytest_twisted.inlineCallbacks
def test_it_can_run_again_and_again() -> Waiting:
    run = shell("exit $STATUS")
    for status in (3, 0, 4):
        assert (yield run.run({"STATUS": str(status)})) == status


@pytest_twisted.inlineCallbacks
def test_it_knows_this_process_environment_and_what_is_added(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setenv("COLO_OF_A_TEST", "here")
    with capturedLogs() as events:
        yield shell('echo "$COLO_OF_A_TEST $COLO_CHECKPOINT"').run({"COLO_CHECKPOINT": "5"})
        yield from until(lambda: "program: here 5" in map(formatEvent, events))


@pytest_twisted.inlineCallbacks
def test_it_leads_a_process_group_of_its_own_and_gets_no_input() -> Waiting:
    with capturedLogs() as events:
        yield shell('read line || echo "group $(ps -o pgid= -p $$) of $$"').run({})
        yield from until(lambda: events)
    words = formatEvent(events[0]).split()
    assert words[:2] == ["program:", "group"]
    assert words[2] == words[4]


@pytest_twisted.inlineCallbacks
def test_no_shell_takes_its_arguments_apart() -> Waiting:
    with capturedLogs() as events:
        yield a_program("printf", "%s|", "a b", "$HOME", "").run({})
        yield from until(lambda: events)
    assert formatEvent(events[0]) == "program: a b|$HOME||"


@pytest_twisted.inlineCallbacks
def test_one_that_takes_too_long_is_killed_with_all_its_children(tmp_path: Path) -> Waiting:
    pids = tmp_path / "pids"
    run = shell(f"sleep 600 & echo $! > {pids}.new; mv {pids}.new {pids}; wait", timeout=0.5)
    assert (yield run.run({})) is None
    assert run.why_not == "it took longer than 0.5 s"
    yield from until(lambda: pids.exists() and is_gone(int(pids.read_text())))


@pytest_twisted.inlineCallbacks
def test_another_bound_holds_for_what_runs() -> Waiting:
    run = a_program("sleep", "600")
    run.change_timeout(50.0)
    done = run.run({})
    run.change_timeout(0.2)
    assert (yield done) is None
    assert run.why_not == "it took longer than 0.2 s"
    run.change_timeout(0.1)
    assert not run.running


@pytest_twisted.inlineCallbacks
def test_cancel_kills_it_with_all_its_children(tmp_path: Path) -> Waiting:
    pids = tmp_path / "pids"
    run = shell(f"trap '' TERM; sleep 600 & echo $! > {pids}.new; mv {pids}.new {pids}; wait")
    done = run.run({})
    yield from until(pids.exists)
    run.cancel()
    assert (yield done) is None
    assert (run.why_not, run.running) == ("it was cancelled", False)
    yield from until(lambda: is_gone(int(pids.read_text())))


@pytest_twisted.inlineCallbacks
def test_cancel_right_after_the_start_leaves_nothing() -> Waiting:
    run = shell("sleep 600")
    done = run.run({})
    pid = run._run._pid  # type: ignore[union-attr]
    run.cancel()
    run.cancel()
    assert (yield done) is None
    yield from until(lambda: is_gone(pid))  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "survives"), [(0, True), (5, False)])
@pytest_twisted.inlineCallbacks
def test_what_it_leaves_running_goes_on_only_after_a_meaningful_exit(
    tmp_path: Path, status: int, survives: bool
) -> Waiting:
    pids = tmp_path / "pids"
    run = shell(f"sleep 600 & echo $! > {pids}; exit {status}")
    assert (yield run.run({})) == status  # though the child holds its output open
    pid = int(pids.read_text())
    if survives:
        assert not is_gone(pid)
        os.kill(pid, 9)
    yield from until(lambda: is_gone(pid))


@pytest_twisted.inlineCallbacks
def test_one_that_is_killed_by_others_has_no_status() -> Waiting:
    run = shell("kill -9 $$")
    assert (yield run.run({})) is None
    assert run.why_not == "it was ended by signal 9"


@pytest_twisted.inlineCallbacks
def test_one_that_has_gone_since_the_start_has_no_status() -> Waiting:
    run = a_program("/nonexistent/program")
    assert (yield run.run({})) is None
    assert run.why_not == "there is no program /nonexistent/program"


@pytest_twisted.inlineCallbacks
def test_one_that_the_kernel_can_not_run_ends_with_127_and_says_why(tmp_path: Path) -> Waiting:
    broken = tmp_path / "broken"
    broken.write_text("#!/nonexistent/interpreter\n")
    broken.chmod(0o755)
    with capturedLogs() as events:
        assert (yield a_program(str(broken)).run({})) == 127
        yield from until(lambda: events)
    assert "No such file or directory" in formatEvent(events[0])


@pytest_twisted.inlineCallbacks
def test_an_exit_before_the_launch_is_not_taken_for_the_programs(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")  # the child of the fork exits with 1 then
    run = shell("exit 0")
    assert (yield run.run({})) is None
    assert run.why_not


@pytest_twisted.inlineCallbacks
def test_a_fork_that_fails_has_no_status(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    def no_fork(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(reactor, "spawnProcess", no_fork)
    run = shell("exit 0")
    assert (yield run.run({})) is None
    assert run.why_not == "it can't be run: Resource temporarily unavailable"


@pytest_twisted.inlineCallbacks
def test_its_output_is_logged_line_by_line_made_printable() -> Waiting:
    with capturedLogs() as events:
        yield shell(r"printf 'one\ntw\033o\n\nlast'; echo wrong >&2").run({})
        yield from until(lambda: len(events) == 5)
    lines = sorted(formatEvent(event) for event in events)
    assert lines == ["program: ", "program: last", "program: one", "program: tw?o", "program: wrong"]


def test_of_many_lines_at_once_only_the_first_are_looked_at() -> None:
    said: list[str] = []
    report = Reporter("program")
    report.info = lambda text, kind=None: said.append(text)  # type: ignore[method-assign]
    _Run(report, lambda status, why: None).childDataReceived(1, b"y\n" * 1000)
    assert said == ["y"] * MOST_LINES + [f"({1000 - MOST_LINES} more lines)"]


@pytest_twisted.inlineCallbacks
def test_a_flood_of_output_is_a_few_lines_and_no_memory() -> Waiting:
    standing = Reporter("program", clock=lambda: 0.0)
    flood = "yes | head -c 3000000; head -c 3000000 /dev/zero"
    run = Program(reactor, ("sh", "-c", flood), 60.0, frozenset((0,)), standing)
    with capturedLogs() as events:
        done = run.run({})
        protocol: Any = run._run
        assert (yield done) == 0
        yield from until(lambda: protocol.transport.pipes == {})
    assert len(events) == LINES_A_WINDOW
    assert all(len(part) <= MOST_LINE_BYTES for part in protocol._parts.values())


def test_a_program_that_is_there_is_fine(tmp_path: Path) -> None:
    program.check("command", ("sh", "-c", "true"))
    program.check("command", ("/bin/sh",))


def test_a_program_that_can_not_be_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^property 'command': there is no program colo-none$"):
        program.check("command", ("colo-none",))
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(OptionError, match=rf"^property 'command': {script} is not executable \(chmod \+x {script}\)$"):
        program.check("command", (str(script),))

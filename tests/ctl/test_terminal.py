from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from colo_twisted.ctl import terminal
from colo_twisted.ctl.terminal import Terminal

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


@pytest.fixture
def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """stdout is said to be a terminal of 10 columns and 4 lines."""
    monkeypatch.setattr(terminal, "is_terminal", lambda stream: stream is sys.stdout)
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda: os.terminal_size((10, 4)))
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) is before


def test_elsewhere_screens_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal.of(False) as shown:
        shown.show(["one", "two"])
        shown.show(["three"])
    assert capsys.readouterr().out == "one\ntwo\n\nthree\n\n"


@pytest.mark.usefixtures("a_terminal")
def test_on_a_terminal_screens_replace_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal.of(False) as shown:
        shown.show(["a line that is too long", "2", "3", "4"])
        shown.show(["next"])
    out = capsys.readouterr().out
    assert out == (f"{ENTER}\x1b[Ha line tha\x1b[K\n2\x1b[K\n3\x1b[K\n\x1b[J\x1b[Hnext\x1b[K\n\x1b[J{LEAVE}")


@pytest.mark.usefixtures("a_terminal")
def test_documents_need_no_screen(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal.of(True):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("a_terminal")
@pytest.mark.parametrize("ended", [KeyboardInterrupt(), RuntimeError()])
def test_the_terminal_is_given_back_whatever_happens(ended: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(ended)), Terminal.of(False):
        raise ended
    assert capsys.readouterr().out == ENTER + LEAVE


@pytest.mark.usefixtures("a_terminal")
def test_the_terminal_is_given_back_at_sigterm(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, Terminal.of(False):
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
    assert capsys.readouterr().out == ENTER + LEAVE

"""benchmarks/machine.py and the command line's choice of parts."""

from __future__ import annotations

import platform
import sys
from argparse import Namespace

import pytest

from benchmarks.__main__ import PARTS, main, named
from benchmarks.machine import Machine, cpu_model


def test_the_cpus_name() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Some CPU: fast\nflags\t: fpu\n") == "Some CPU: fast"
    assert cpu_model("processor\t: 0\n") == platform.machine()


def test_it_is_told_in_one_line() -> None:
    machine = Machine("a CPU", 2, 0.5, "6.1", "3.11", "24.3", "QEMU 7.2", "2030-01-02 03:04", "abc+", "compiled")
    for word in ("a CPU, 2 cores (load 0.5)", "Linux 6.1", "QEMU 7.2", "2030-01-02 03:04 UTC", "abc+", "compiled"):
        assert word in machine.words


def test_the_goals_are_what_is_measured_unless_something_else_is_named() -> None:
    assert named(Namespace(part=[], setting=None)) == ("goals",)
    assert named(Namespace(part=["taps"], setting=None)) == ["taps"]
    assert named(Namespace(part=[], setting=["small"])) == tuple(PARTS)


def test_an_unknown_part_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "tapes"])
    with pytest.raises(SystemExit):
        main()
    assert "there is no part 'tapes'" in capsys.readouterr().err

"""What is freed stays the process's."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from colo_twisted.memory import OPERATORS, keep_freed

BATCHES = """
import resource
from colo_twisted.memory import keep_freed
{first}
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def turn(): return [bytes(1 << 17) for _ in range(8)]  # a megabyte, in batches
turn()
before = faults()
for _ in range(100): turn()
print(faults() - before)
"""


@pytest.fixture(autouse=True)
def no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OPERATORS:
        monkeypatch.delenv(name, raising=False)


def faults(first: str) -> int:
    """Of a process that makes a hundred megabytes, one at a time, after this."""
    words = [sys.executable, "-c", BATCHES.format(first=first)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_pages_are_had_once() -> None:
    assert faults("assert keep_freed()") < 500 < 5000 < faults("")


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_says_otherwise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "131072")
    assert not keep_freed(SimpleNamespace(mallopt=lambda *_: pytest.fail("set")))


def test_a_c_library_without_the_setting_is_let_alone() -> None:
    assert not keep_freed(SimpleNamespace())


def test_one_that_refuses_is_no_error() -> None:
    assert not keep_freed(SimpleNamespace(mallopt=lambda *_: 0))

"""
A test that can't run here says so; in CI that is a failure.

Hypothesis makes the same examples in every run, or with COLO_LONG set many random ones.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("colo", derandomize=True, deadline=None, max_examples=40, suppress_health_check=_SLOW)
settings.register_profile("colo-long", deadline=None, max_examples=2000, suppress_health_check=_SLOW)
settings.load_profile("colo-long" if os.environ.get("COLO_LONG") else "colo")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background job, and in all that it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compiled", action="store_true", help="packets/ is to be the build that PYTHONPATH names")
    parser.addoption("--sanitized", action="store_true", help="and that one is to be sanitized (COLO_COMPILE)")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"

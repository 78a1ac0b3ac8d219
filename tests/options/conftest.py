"""These tests need no rights, no TAP device and no scripts."""

from __future__ import annotations

import os

import pytest

from colo_twisted.netdev import tap_properties


@pytest.fixture(autouse=True)
def any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which TAPs could be opened."""
    monkeypatch.setattr(tap_properties, "DEVICE", os.devnull)

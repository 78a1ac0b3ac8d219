"""Version, state, name and end of the process."""

from __future__ import annotations

import pytest

from colo_twisted import __version__
from colo_twisted.events import Event
from tests.support.asking import a_client

CABLE = "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0"


def test_the_version_is_ours_where_qemu_has_its_own() -> None:
    version = a_client(CABLE)("query-version")
    numbers = version["qemu"]
    assert __version__.startswith(f"{numbers['major']}.{numbers['minor']}")
    assert sorted(numbers) == ["major", "micro", "minor"]
    assert version["package"] == f"colo_twisted {__version__}"


@pytest.mark.parametrize("status", ["prelaunch", "running", "shutdown"])
def test_the_status_is_one_of_qemus(status: str) -> None:
    client = a_client(CABLE, start=status != "prelaunch")
    if status == "shutdown":
        client("quit")
    answer = client("query-status")
    assert answer == {"status": status, "running": status == "running", "singlestep": False}


def test_the_name_is_the_options() -> None:
    client = a_client(CABLE)
    client.house.machine.name = "primary"
    assert client("query-name") == {"name": "primary"}
    client.house.machine.name = None
    assert client("query-name") == {}


def test_quit_ends_in_order() -> None:
    client = a_client(CABLE)
    told: list[Event] = []
    client.house.machine.events.subscribe(told.append)
    assert client("quit") == {}
    assert [(event.name, event.data["reason"]) for event in told] == [("SHUTDOWN", "host-qmp-quit")]
    assert not client.house.machine.running

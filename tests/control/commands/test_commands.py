"""All commands: what each takes, and that it takes nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.control.commands import COMMANDS
from colo_twisted.control.errors import QMPError
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.registry import Registry
from tests.options.test_json_values import json_things
from tests.support.asking import a_client, run

CABLE = "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0"

every_command = pytest.mark.parametrize("name", COMMANDS)

# what each needs at least, in the right JSON types
NEEDED: dict[str, dict[str, Any]] = {
    "announce-self": {"initial": 50, "max": 550, "rounds": 5, "step": 50},
    "chardev-add": {"id": "c0", "backend": {"type": "null", "data": {}}},
    "chardev-remove": {"id": "c0"},
    "device_add": {"driver": "e1000", "netdev": "hn0"},
    "device_del": {"id": "e9"},
    "human-monitor-command": {"command-line": "info name"},
    "netdev_add": {"type": "socket", "id": "s0", "fd": 0},
    "netdev_del": {"id": "hn9"},
    "object-add": {"qom-type": "iothread", "id": "i0"},
    "object-del": {"id": "m0"},
    "qom-get": {"path": "/", "property": "type"},
    "qom-list": {"path": "/"},
    "qom-list-properties": {"typename": "filter-mirror"},
    "qom-set": {"path": "/", "property": "type", "value": 1},
    "set_link": {"name": "hn9", "up": True},
}


def test_the_commands_of_qemu_are_there_and_ours() -> None:
    """Point 1 of what was asked for."""
    qemus = """
        query-version query-commands query-qmp-schema query-status query-name query-chardev
        qom-list qom-list-types qom-list-properties qom-get qom-set object-add object-del
        chardev-add chardev-remove netdev_add netdev_del device_add device_del
        query-colo-status x-colo-lost-heartbeat announce-self set_link quit human-monitor-command qmp_capabilities
    """
    ours = """
        query-colo-replica query-chain query-stats query-colo-connections query-colo-divergences colo-checkpoint
    """
    assert sorted(COMMANDS) == sorted(qemus.split() + ours.split())
    for name, command in COMMANDS.items():
        assert command.name == name
        assert command.help


@every_command
def test_an_unknown_argument_is_an_error(name: str) -> None:
    assert a_client(CABLE).error(name, {**NEEDED.get(name, {}), "nope": 1}) == "Parameter 'nope' is unexpected"


@every_command
def test_a_missing_argument_is_an_error(name: str) -> None:
    client = a_client(CABLE)
    for missing in NEEDED.get(name, {}):
        rest = {key: value for key, value in NEEDED[name].items() if key != missing}
        if name != "netdev_add" or missing != "fd":
            assert client.error(name, rest) == f"Parameter '{missing}' is missing"


@every_command
def test_whatever_the_arguments_are_there_is_an_answer_or_an_error(name: str) -> None:
    known = [member.name for member in COMMANDS[name].arguments.shape(Registry()).members]
    client = a_client(CABLE)

    @given(st.dictionaries(st.sampled_from([*known, "nope"]), json_things, max_size=4))
    def check(arguments: dict[str, Any]) -> None:
        with contextlib.suppress(QMPError):
            run(client.house.machine, name, {**NEEDED.get(name, {}), **arguments})

    if name != "quit":
        check()


def test_errors_have_one_of_three_kinds() -> None:
    """What a session must be ready for."""
    with pytest.raises(OptionError):
        COMMANDS["object-add"].run(a_client(CABLE).house.machine, {"qom-type": "nope"})
    assert not issubclass(QMPError, (OptionError, StartError))

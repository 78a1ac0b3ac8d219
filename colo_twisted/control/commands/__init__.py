"""All QMP commands by name."""

from __future__ import annotations

from collections.abc import Mapping

from colo_twisted.control.commands import colo, hmp, hotplug, qom, query, replica, whole
from colo_twisted.control.commands.declare import Command
from colo_twisted.control.commands.introspect import introspection

_BY_TOPIC = (whole, query, qom, hotplug, colo, replica, hmp)
_OTHERS: Mapping[str, Command] = {command.name: command for topic in _BY_TOPIC for command in topic.COMMANDS}

COMMANDS: Mapping[str, Command] = {
    command.name: command for command in sorted((*_OTHERS.values(), *introspection(_OTHERS)), key=lambda it: it.name)
}

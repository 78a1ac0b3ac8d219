"""The process as a whole: version, state, name, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from colo_twisted import __version__
from colo_twisted.control.commands.declare import Nothing, command
from colo_twisted.machine import Machine


@dataclass(frozen=True)
class VersionTriple:
    major: int
    minor: int
    micro: int


@dataclass(frozen=True)
class VersionInfo:
    """``qemu`` has colo_twisted's own numbers, for clients that look there."""

    qemu: VersionTriple
    package: str


def version() -> VersionInfo:
    """Ours; what a client is greeted with, too."""
    major, minor, micro = (int(part) for part in (*__version__.split("."), "0", "0")[:3])
    return VersionInfo(VersionTriple(major, minor, micro), f"colo_twisted {__version__}")


@command("query-version", "which version this is")
def query_version(machine: Machine, _: Nothing) -> VersionInfo:
    return version()


@dataclass(frozen=True)
class StatusInfo:
    """``running``: frames flow. There is nothing to step singly."""

    status: Literal["prelaunch", "running", "shutdown"]
    running: bool
    singlestep: bool = False


@command("query-status", "whether frames flow")
def query_status(machine: Machine, _: Nothing) -> StatusInfo:
    status: Any = machine.status
    return StatusInfo(status, status == "running")


@dataclass(frozen=True)
class NameInfo:
    name: str | None


@command("query-name", "what -name said")
def query_name(machine: Machine, _: Nothing) -> NameInfo:
    return NameInfo(machine.name)


@command("quit", "end the process, in order")
def quit_(machine: Machine, _: Nothing) -> None:
    machine.quit()


COMMANDS = (query_version, query_status, query_name, quit_)

"""What -object colo-peer takes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from colo_twisted.checkpoint import program
from colo_twisted.failover import guest_watch
from colo_twisted.failover.guest_watch import GuestWatched, Watched
from colo_twisted.interfaces import IMachine
from colo_twisted.link.properties import check_folder
from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Choice, Command, Duration, Reference, Text
from colo_twisted.reporting import Reporter

OLD_STATE, NEW_STATE = 10, 11
"""What checkpoint-state= exits with; not 0, 1 or 2: what merely went wrong must not look like an answer."""
STATE_SECONDS = 10.0
"""What checkpoint-state= may take."""
LEAST_BEATS = 3
"""A timeout is so many intervals at least: a beat, its answer, and one that was lost or late."""


@dataclass(frozen=True, kw_only=True)
class ColoPeerProperties(Properties):
    """Which of the two this process is, and what it keeps."""

    chardev: str = prop(Reference("chardev"), "leads to the other process's colo-peer")
    role: str = prop(Choice("primary", "secondary"), "this process's")
    state_file: str | None = prop(
        Text("a path"),
        "keeps over a restart who may speak, and how the last checkpoint ended",
        default=None,
        name="state-file",
    )
    interval: int = prop(Duration("ms", 1, 60_000), "between two heartbeats", default=100)
    timeout: int = prop(
        Duration("ms", 3, 600_000), "without a sign of life, after which the other is silent", default=500
    )
    fence: tuple[str, ...] | None = prop(
        Command(),
        "switches the other side off: exit status 0 says that it is, for good (docs/fencing.md)",
        default=None,
    )
    fence_timeout: int = prop(
        Duration("ms", 1, 3_600_000), "what the fence command may take", default=30_000, name="fence-timeout"
    )
    guest_watch: Watched | None = prop(
        GuestWatched(), "how this side's guest is seen to be gone", default=None, name="guest-watch"
    )
    direct: bool | None = prop(
        Boolean(),
        "nothing stands between the two that could close their connections, and the guest has no other way to the"
        " network: closed everywhere is dead (on unless set for unix sockets only)",
        default=None,
    )
    announce: bool = prop(Boolean(), "a guest that takes over is announced to the network", default=True)
    takeover: str = prop(
        Choice("auto", "unfenced", "strict", "manual"),
        "secondary: when the primary is lost: auto takes over once that is fenced or its process dead, strict only"
        " while every connection is protected, unfenced without a fence, manual waits for an operator",
        default="manual",
    )
    alone: str = prop(
        Choice("auto", "unfenced", "manual"),
        "primary: when a secondary is lost that might take over: goes on alone once that is fenced, unfenced without a"
        " fence, manual waits for an operator",
        default="manual",
    )
    checkpoint_state: tuple[str, ...] | None = prop(
        Command(),
        "secondary: asked when the primary is lost during a checkpoint;"
        " exits with 10: the guest is in its old state, 11: in the new one, else it doesn't know",
        default=None,
        name="checkpoint-state",
    )

    def check(self) -> None:
        if self.checkpoint_state is not None and self.role != "secondary":
            raise OptionError("property 'checkpoint-state' is for role=secondary")
        if self.interval * LEAST_BEATS > self.timeout:
            raise OptionError(
                f"property 'timeout' takes at least {LEAST_BEATS} times the interval ({self.interval} ms);"
                f" got '{self.timeout}'"
            )
        for name in ("takeover", "alone"):
            if getattr(self, name) != "manual" and self.state_file is None:
                raise OptionError(
                    f"property '{name}': '{getattr(self, name)}' needs a state-file: a side that was started anew must"
                    " know whether the other has gone on without it"
                )

    def check_host(self) -> None:
        if self.checkpoint_state is not None:
            program.check("checkpoint-state", self.checkpoint_state)
        if self.fence is not None:
            program.check("fence", self.fence)
        if self.guest_watch is not None:
            guest_watch.check("guest-watch", self.guest_watch)
        if self.state_file is not None:
            check_folder("state-file", self.state_file)
            if os.path.isdir(self.state_file):
                raise OptionError(f"property 'state-file': {self.state_file} is a folder")

    def claims(self) -> tuple[str, ...]:
        return () if self.state_file is None else (f"file {os.path.abspath(self.state_file)}",)


def state_program(properties: ColoPeerProperties, machine: IMachine, report: Reporter) -> program.Program | None:
    """What checkpoint-state= names."""
    if properties.checkpoint_state is None:
        return None
    told = frozenset((OLD_STATE, NEW_STATE))
    return program.Program(machine.reactor, properties.checkpoint_state, STATE_SECONDS, told, report)


def warnings(properties: ColoPeerProperties) -> list[str]:
    """What an operator may not have meant, a line each."""
    name = "takeover" if properties.role == "secondary" else "alone"
    policy = getattr(properties, name)
    if policy == "unfenced":
        return [
            f"{name}=unfenced: if the cables fail and the other side lives, only its own silence keeps two guests from"
            " speaking at once; a fence command is safer (docs/fencing.md)"
        ]
    if policy == "manual" and properties.fence is not None:
        return [f"fence is never run: {name}=manual waits for an operator (allowed for it: {name}=auto)"]
    return []

"""A server that isn't there: canned answers, a client that has them, and a clock that stands until it is told."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from click.testing import CliRunner, Result

from colo_twisted.ctl.address import Address
from colo_twisted.ctl.console import Clock, Console
from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.main import cli

NOON = 1_750_000_000.0  # some moment, in seconds since the epoch

CHARDEVS = [
    {
        "label": "compat_monitor0",
        "filename": "unix:/run/colo/qmp.sock,server=on",
        "frontend-open": True,
        "connected": True,
        "used-by": "monitor 'compat_monitor0'",
    },
    {
        "label": "mirror0",
        "filename": "tcp:10.22.1.2:9003,server=on <-> 10.22.1.3:40122",
        "frontend-open": True,
        "connected": True,
        "peer": "10.22.1.3:40122",
        "backlog": 0,
        "used-by": "filter-mirror 'm0'",
    },
    {
        "label": "compare1",
        "filename": "tcp:10.22.1.2:9004,server=on <-> 10.22.1.3:40124",
        "frontend-open": True,
        "connected": True,
        "peer": "10.22.1.3:40124",
        "backlog": 0,
        "used-by": "colo-compare 'comp0'",
    },
    {
        "label": "peer0",
        "filename": "tcp:10.22.1.2:9005,server=on <-> 10.22.1.3:40126",
        "frontend-open": True,
        "connected": True,
        "peer": "10.22.1.3:40126",
        "backlog": 12_345,
        "used-by": "colo-peer 'cp0'",
    },
    *(
        {
            "label": label,
            "filename": f"pair:{other}",
            "frontend-open": True,
            "connected": True,
            "peer": peer,
            "backlog": 0,
            "used-by": user,
        }
        for label, other, peer, user in (
            ("compare0", "compare0-0", "colo-compare 'comp0'", "filter-redirector 'redire1'"),
            ("compare0-0", "compare0", "filter-redirector 'redire1'", "colo-compare 'comp0'"),
            ("compare_out", "compare_out0", "colo-compare 'comp0'", "filter-redirector 'redire0'"),
            ("compare_out0", "compare_out", "filter-redirector 'redire0'", "colo-compare 'comp0'"),
        )
    ),
]
CHAINS = [
    {
        "netdev": "hn0",
        "type": "tap",
        "ifname": "lan",
        "link": True,
        "device": "e0",
        "guest": "e0",
        "guest-link": True,
        "offloads": True,
        "filters": [
            {"id": "m0", "type": "filter-mirror", "queue": "tx", "status": "on"},
            {"id": "redire0", "type": "filter-redirector", "queue": "rx", "status": "on"},
            {"id": "redire1", "type": "filter-redirector", "queue": "rx", "status": "on"},
        ],
    }
]
REPLICA = {
    "mode": "primary",
    "state": "synced",
    "reason": "",
    "since": 7_980.0,
    "id": "comp0",
    "channels": [
        {"name": "primary_in", "connected": True},
        {"name": "secondary_in", "connected": True},
        {"name": "outdev", "connected": True},
        {"name": "colo-peer", "connected": True},
        {"name": "the peer of filter-mirror 'm0'", "connected": True},
    ],
    "peer": {"id": "cp0", "role": "primary", "connected": True},
    "held-packets": 12,
    "held-bytes": 17_280,
    "unprotected-flows": 3,
    "connections": 1_234,
    "checkpoint": {"phase": "idle", "requested": 4, "done": 3, "failed": 1, "last-ms": 120},
    "problems": [],
}
LOST = {
    **REPLICA,
    "state": "lost",
    "reason": "secondary_in is down",
    "since": 5.0,
    "channels": [
        {"name": "primary_in", "connected": True},
        {"name": "secondary_in", "connected": False},
        {"name": "outdev", "connected": True},
    ],
    "problems": [
        {
            "what": "nobody is connected to chardev 'compare1', so nothing is protected",
            "remedy": "start the secondary, or look at the cable to it: its red1 connects to 10.22.1.2:9004",
        }
    ],
}
DIVERGENCE = {
    "compare": "comp0",
    "number": 17,
    "ago": 60.0,
    "kind": "payload",
    "connection": "TCP 10.0.0.2:80 to 10.0.0.1:40000",
    "sequence": 4_711,
    "offset": 12,
    "description": "the payloads differ from byte 12 on",
}


def stats(scale: int) -> list[dict[str, Any]]:
    """What a netdev, a chardev and a comparer have counted after so many seconds."""
    traffic = {"frames_in": 1_234 * scale, "bytes_in": 1_200_000 * scale, "frames_out": 2_345 * scale}
    return [
        {"kind": "netdev", "id": "hn0", "counters": {**traffic, "bytes_out": 3_400_000 * scale, "dropped_backlog": 0}},
        {"kind": "chardev", "id": "mirror0", "counters": {"frames_out": 1_234 * scale, "bytes_out": 1_205_000 * scale}},
        {"kind": "object", "id": "comp0", "counters": {"released": 2_000 * scale, "hold_us_median": 312, "losses": 0}},
        {"kind": "object", "id": "f9", "counters": {"dropped_no_peer": 7 * scale}},
    ]


class FakeClock(Clock):
    """Sleeping takes no time; ``seconds`` is how long was slept in all."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return NOON + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.seconds += seconds


class CannedServer:
    """
    Answers by command: a value, or what makes one of the arguments; ``executed`` has what was asked.

    ``trouble``, where it is set, is why nobody can connect.
    """

    def __init__(self, **answers: Any) -> None:
        self.clock = FakeClock()
        self.answers: dict[str, Any] = {
            "query-name": {"name": "alpha"},
            "query-status": {"status": "running", "running": True, "singlestep": False},
            "query-colo-replica": REPLICA,
            "query-chain": CHAINS,
            "query-chardev": CHARDEVS,
            "query-colo-divergences": [],
            "query-stats": lambda _: stats(int(self.clock.seconds)),
            **{name.replace("_", "-"): answer for name, answer in answers.items()},
        }
        self.executed: list[tuple[str, dict[str, Any]]] = []
        self.events: list[dict[str, Any]] = []
        self.trouble: Trouble | None = None
        self.addresses: list[Address] = []

    def connect(self, address: Address, connecting: float) -> CannedClient:
        self.addresses.append(address)
        if self.trouble is not None:
            raise self.trouble
        return CannedClient(self)

    def run(self, *words: str, input: str | None = None) -> Result:
        """colo-ctl with these words."""
        console = Console(connect=self.connect, clock=self.clock)
        return CliRunner().invoke(cli, list(words), obj=console, input=input, prog_name="colo-ctl")

    def orders(self) -> list[tuple[str, dict[str, Any]]]:
        """What was executed, but for what only asks."""
        asking = ("query-", "qom-list", "qom-get")
        return [(name, given) for name, given in self.executed if not name.startswith(asking)]


class CannedClient:
    """In place of colo_twisted.ctl.client.Client."""

    greeting: Mapping[str, Any] = {
        "version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": "colo_twisted 0.1.0"},
        "capabilities": [],
    }

    def __init__(self, server: CannedServer) -> None:
        self._server = server

    def __enter__(self) -> CannedClient:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = 30) -> Any:
        given = dict(arguments or {})
        self._server.executed.append((command, given))
        if self._server.trouble is not None:
            raise self._server.trouble
        if command not in self._server.answers:
            raise Refused(command, "CommandNotFound", f"The command {command} has not been found")
        answer: Any = self._server.answers[command]
        made = answer(given) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]
        return copy.deepcopy(made)

    def converse(self, request: Mapping[str, Any], timeout: float | None = 30) -> Any:
        return self.execute(request["execute"], request.get("arguments"))

    def next_event(self, timeout: float | None) -> dict[str, Any] | None:
        if self._server.events:
            return self._server.events.pop(0)
        if timeout is None:
            raise KeyboardInterrupt  # as the person does who has seen enough
        self._server.clock.sleep(timeout)
        return None

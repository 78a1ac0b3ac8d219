"""What a client does with the guests' service, and the service in a guest."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

from tests.support.namespaces import Host
from tests.support.processes import Process
from tests.support.traffic import GUEST

SERVICE, VISITOR = (Path(__file__).with_name(name) for name in ("service.py", "visitor.py"))
_numbers = itertools.count()


class Visits:
    """What has a client visits the guest from it; ``folder`` takes what the programs print."""

    client: Host
    folder: Path

    def visit(self, kind: str, *numbers: object, address: str = GUEST, timeout: float = 300) -> dict[str, Any]:
        """Run visitor.py to its end; what it found, and its other lines as 'said'."""
        return found(self.client.run(*_visitor(kind, address, numbers), timeout=timeout))

    def visiting(self, kind: str, *numbers: object, address: str = GUEST) -> Process:
        """The same as a process that runs while a test does something else."""
        words = self.client.words(*_visitor(kind, address, numbers))
        return Process(words, self.folder / f"visitor{next(_numbers)}.log")


def _visitor(kind: str, address: str, numbers: tuple[object, ...]) -> list[str]:
    return [sys.executable, str(VISITOR), kind, address, *map(str, numbers)]


def found(printed: str) -> dict[str, Any]:
    """What visitor.py has found, by what it printed; its other lines as 'said'."""
    *said, last = printed.splitlines()
    result: dict[str, Any] = json.loads(last)
    result["said"] = said
    return result


def serving(name: str, host: Host, folder: Path) -> Process:
    """service.py in a guest; it serves once its context is entered and it says so."""
    state = folder / f"{name}.state"
    state.write_text(f"of the {name}".ljust(16))
    words = host.words(sys.executable, str(SERVICE), name, str(folder / f"{name}.ledger"), str(state))
    return Process(words, folder / f"{name}-service.log")

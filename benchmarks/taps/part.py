"""Runs the TAPs' contestants, and prints their tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.hosts import Hosts
from benchmarks.programs import QEMU, TWISTD
from benchmarks.results import Figures, as_json
from benchmarks.rounds import Account, Options, Part, in_turns
from benchmarks.taps.contestants import Contestant
from benchmarks.taps.settings import SETTINGS, taking_part
from benchmarks.taps.traffic import Load, Measurement, measure

QUANTITIES: dict[str, Callable[[Measurement], float]] = {
    "up Gbit/s": lambda measured: measured.up,
    "down Gbit/s": lambda measured: measured.down,
    "ping ms": lambda measured: measured.ping,
    "ping ms 99 %": lambda measured: measured.ping_99,
}
DEFAULT = (3, Load(seconds=2, pings=1000))
QUICK = (2, Load(seconds=1, pings=200))


def run(options: Options) -> dict[str, Any]:
    """Measure each contestant in each round. Raises BenchmarkError."""
    settings = [setting for setting in SETTINGS if setting.name in (options.settings or PART.settings)]
    rounds, load = QUICK if options.quick else DEFAULT
    figures = Figures()
    account = Account()
    for index, contestant in in_turns(taking_part(settings), options.rounds or rounds):
        with Hosts() as hosts, contestant.joined(hosts) as mirrored:
            measured = measure(hosts, load, mirrored)
        _note(figures, contestant, measured)
        account.line(f"round {index}: {contestant.name}: {_brief(measured)}")
    tables = [setting.table(tuple(QUANTITIES)) for setting in settings]
    print("\nmedian (least-most) of the rounds; ratios round by round; ping: less is better")
    for table in tables:
        print(f"\n{table.text(figures)}")
    for note in dict.fromkeys(figures.notes):
        print(f"  {note} ({figures.notes.count(note)} rounds)")
    return as_json(figures, tables)


def _note(figures: Figures, contestant: Contestant, measured: Measurement) -> None:
    figures.keep(contestant.name, measured)
    for quantity, get in QUANTITIES.items():
        figures.add(contestant.name, quantity, get(measured))
    if measured.mirror_lagged:
        figures.notes.append(f"{contestant.name}: THE MIRROR'S PEER DID NOT GET ALL")


def _brief(measured: Measurement) -> str:
    lagged = ", THE MIRROR'S PEER DID NOT GET ALL" if measured.mirror_lagged else ""
    return f"up {measured.up:.2f}, down {measured.down:.2f} Gbit/s, ping {measured.ping:.3f} ms{lagged}"


PART = Part((QEMU, TWISTD, "iperf3", "ping", "ip"), tuple(setting.name for setting in SETTINGS), run)

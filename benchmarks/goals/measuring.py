"""What the goals need of each benchmark: contestants and loads of its own, and which figure is which quantity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import benchmarks.compare.contestants as comparers
import benchmarks.compare.part as compare
import benchmarks.instructions.part as instructions
import benchmarks.pair.contestants as pairs
import benchmarks.pair.part as pair
import benchmarks.start.part as start
import benchmarks.taps.contestants as joiners
import benchmarks.taps.traffic as taps
from benchmarks.compare.feeding import Flight
from benchmarks.compare.settings import AHEAD, Load
from benchmarks.goals import goals
from benchmarks.goals.goals import LIMIT, OURS, PLAIN, QEMU
from benchmarks.hosts import Hosts

Values = dict[str, float | None]  # by quantity; None: lost


@dataclass(frozen=True)
class Task:
    """
    One contestant's part of a round.

    ``measure`` gives the figures by quantity, and what is to be kept of it, a dataclass. ``every_round``: of the
    others one round is enough. Raises BenchmarkError.
    """

    contestant: str
    what: str
    measure: Callable[[float], tuple[Values, Any]]  # with so many seconds of traffic
    every_round: bool = True


Group = tuple[Task, ...]  # measured in turns: their rounds are comparable

LAG = 1000  # packets
LAGGING = Flight(AHEAD.window + LAG, LAG)  # beyond the lag it has as much under way as in step
A_MILLION = 1_000_000
A_TENTH = A_MILLION // 10  # where ours isn't compiled: a million would take minutes
TO_THE_END = 60.0  # seconds: all there is to be sent, so that each connection gets something
PINGS = 2000
CPU = {
    goals.UNIX_64: goals.CPU_64,
    goals.UNIX_1400: goals.CPU_1400,
}  # the same measurement's, which noise disturbs less


@cache
def _streams(connections: int, payload: int, most: int) -> compare.Fodder:
    return compare.Fodder.of(Load(connections, payload, most=most))


def _compared(
    name: str,
    contestant: comparers.Contestant,
    load: Load,
    quantity: str,
    more: str | None,
    least: float,
    seconds: float,
) -> tuple[Values, Any]:
    fodder = replace(_streams(load.connections, load.payload, load.most), load=load)
    measured = compare.measure(contestant, fodder, max(seconds, least))
    rate = measured.data.pairs / measured.data.seconds / 1000
    values: Values = {quantity: None if measured.trouble else rate}
    if quantity in CPU:
        values[CPU[quantity]] = None if measured.trouble else measured.cpu_seconds / measured.data.pairs * 1e6
    if name == OURS:
        values[goals.FEEDER] = measured.data.idle
    if more is not None:
        values[more] = None if measured.trouble else measured.memory_bytes / load.connections
    return values, measured


def _comparing(
    name: str,
    contestant: comparers.Contestant,
    load: Load,
    quantity: str,
    *,
    more: str | None = None,
    least: float = 0.0,
    every_round: bool = True,
) -> Task:
    """``more``: the memory of a connection is another quantity. ``least``: seconds, if there is so much to send."""
    return Task(name, quantity, partial(_compared, name, contestant, load, quantity, more, least), every_round)


def _compare_groups() -> Iterator[Group]:
    relay, ours, qemu, plain = comparers.NOBODY, comparers.OURS, comparers.QEMU_COMPARE, comparers.OURS_PLAIN
    named = ((LIMIT, relay), (QEMU, qemu), (OURS, ours))
    small, many, million, tenth = Load(64, 64), Load(10_000, 64), Load(A_MILLION, 64, most=0), Load(A_TENTH, 64, most=0)
    yield (
        *(_comparing(name, contestant, small, goals.UNIX_64) for name, contestant in named),
        _comparing(PLAIN, plain, small, goals.UNIX_64),
        _comparing(OURS, ours, many, goals.TEN_THOUSAND),
        _comparing(OURS, ours, million, goals.MILLION, more=goals.MILLION_MEMORY, least=TO_THE_END),
        _comparing(PLAIN, plain, many, goals.TEN_THOUSAND, every_round=False),
        _comparing(PLAIN, plain, tenth, goals.MILLION, more=goals.MILLION_MEMORY, every_round=False),
    )
    large = Load(64, 1400)
    yield (
        *(_comparing(name, contestant, large, goals.UNIX_1400) for name, contestant in named),
        _comparing(PLAIN, plain, large, goals.UNIX_1400),
    )
    for payload, quantity in ((64, goals.TCP_64), (1400, goals.TCP_1400)):
        load = Load(64, payload, over="tcp")
        yield (
            *(_comparing(name, contestant, load, quantity) for name, contestant in named),
            _comparing(PLAIN, plain, load, quantity, every_round=False),
        )
    behind = Load(1, 64, LAGGING)
    yield (
        _comparing(OURS, ours, Load(1, 64), goals.IN_STEP),
        _comparing(OURS, ours, behind, goals.BEHIND),
        _comparing(QEMU, comparers.QEMU_LONG_QUEUES, behind, goals.BEHIND),
        _comparing(PLAIN, plain, behind, goals.BEHIND, every_round=False),
    )


def _joined(contestant: joiners.Contestant, quantities: tuple[str, ...], seconds: float) -> tuple[Values, Any]:
    with Hosts() as hosts, contestant.joined(hosts) as mirrored:
        measured = taps.measure(hosts, taps.Load(max(1, round(seconds)), PINGS), mirrored)
    if measured.mirror_lagged:
        return dict.fromkeys(quantities), measured
    known = {
        goals.UP: measured.up,
        goals.DOWN: measured.down,
        goals.VNET_UP: measured.up,
        goals.VNET_DOWN: measured.down,
        goals.PING: measured.ping,
        goals.PING_99: measured.ping_99,
    }
    return {quantity: known[quantity] for quantity in quantities}, measured


def _taps_group() -> Group:
    """QEMU's hub carries no offloads: what ours does with vnet headers is beside what it does without."""
    without = (goals.UP, goals.DOWN, goals.PING, goals.PING_99)
    vnet = (goals.VNET_UP, goals.VNET_DOWN)
    return (
        Task(LIMIT, "two TAPs' places, a veth pair", partial(_joined, joiners.VETH, (*without, *vnet))),
        Task(OURS, "two TAPs, mirror", partial(_joined, joiners.OURS_MIRROR, without)),
        Task(QEMU, "two TAPs, mirror", partial(_joined, joiners.QEMU_MIRROR, (*without, *vnet))),
        Task(OURS, "two TAPs, vnet mirror", partial(_joined, joiners.OURS_VNET_MIRROR, vnet)),
        Task(PLAIN, "two TAPs, mirror", partial(_joined, joiners.PLAIN_MIRROR, without), every_round=False),
        Task(PLAIN, "two TAPs, vnet mirror", partial(_joined, joiners.PLAIN_VNET_MIRROR, vnet), every_round=False),
    )


def _paired(contestant: pairs.Contestant, seconds: float) -> tuple[Values, Any]:
    measured = pair.measure(contestant, seconds, ("download", "upload"))
    down, up = measured.counted.download, measured.counted.upload
    idle = measured.idle_bytes[0] / 1e6
    return {goals.PAIR_DOWN: down, goals.PAIR_UP: up, goals.PRIMARY_MEMORY: idle}, measured


def _pair_group() -> Group:
    return (
        Task(OURS, "a whole pair", partial(_paired, pairs.PAIR_OFFLOADS)),
        Task(PLAIN, "a whole pair", partial(_paired, pairs.PAIR_OFFLOADS_PLAIN), every_round=False),
    )


def _started(contestant: comparers.Contestant, _: float) -> tuple[Values, Any]:
    measured = start.measure(contestant)
    return {goals.START: measured.seconds, goals.MEMORY: measured.resident_bytes / 1e6}, measured


def _start_group() -> Group:
    return (
        Task(OURS, "start", partial(_started, comparers.OURS)),
        Task(QEMU, "start", partial(_started, comparers.QEMU_COMPARE)),
        Task(PLAIN, "start", partial(_started, comparers.OURS_PLAIN), every_round=False),
    )


@dataclass(frozen=True)
class Counts:
    """The instructions a packet costs."""

    measured: Sequence[instructions.Measurement]


def _counted(_: float) -> tuple[Values, Any]:
    small, large = instructions.measure()
    return {goals.INSTRUCTIONS_64: small.per_packet, goals.INSTRUCTIONS_1400: large.per_packet}, Counts((small, large))


def groups() -> Iterator[Group]:
    """In the order of the goals."""
    for group in _compare_groups():
        yield group
        _streams.cache_clear()  # some hundred megabytes
    yield _taps_group()
    yield _pair_group()
    yield _start_group()
    yield (Task(OURS, "instructions a packet", _counted, every_round=False),)

"""
The goals: each a row of the table, what it divides by what, and what must come of it.

A row's figures go by the contestant's name (OURS, QEMU, LIMIT, PLAIN) and the row's quantity. Several rows may judge
the same quantity.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS, QEMU, LIMIT, PLAIN = "ours", "QEMU", "limit", "ours, not compiled"

# What is measured, each in the unit of its rows.
UNIX_64, UNIX_1400 = "unix 64 x 64 B", "unix 64 x 1400 B"
TCP_64, TCP_1400 = "tcp 64 x 64 B", "tcp 64 x 1400 B"
TEN_THOUSAND, MILLION, MILLION_MEMORY = "10,000 x 64 B", "1,000,000 x 64 B", "1,000,000 idle"
IN_STEP, BEHIND = "1 x 64 B", "1 x 64 B, 1,000 behind"
UP, DOWN, VNET_UP, VNET_DOWN = "taps up", "taps down", "taps vnet up", "taps vnet down"
PING, PING_99 = "ping median", "ping 99 %"
PAIR_DOWN, PAIR_UP = "pair down", "pair up"
START, MEMORY, PRIMARY_MEMORY = "start", "memory", "memory of a primary"
PLAIN_RUNS = "not compiled"
FEEDER = "feeder idle"  # the share of its time, while ours was fed
CPU_64, CPU_1400 = "CPU 64 x 64 B", "CPU 64 x 1400 B"
INSTRUCTIONS_64, INSTRUCTIONS_1400 = "instructions 64 B", "instructions 1400 B"

PAIRS, GIGABITS, MS, SECONDS, MEGABYTES = "k pairs/s", "Gbit/s", "ms", "s", "MB"


@dataclass(frozen=True)
class Base:
    """What a row's figure is divided by, round by round."""

    contestant: str
    quantity: str
    words: str  # after a number: '10 x QEMU's'


@dataclass(frozen=True)
class Goal:
    """
    A row. ``target`` is for the figure, or with a ``base`` for the ratio to that; None: it is only told.

    ``on_record`` is a figure of QEMU's that was not measured here (SOURCE says by whom).
    """

    what: str
    quantity: str
    unit: str
    target: float | None = None
    base: Base | None = None
    at_most: bool = False  # less is better
    of: str = OURS
    on_record: float | None = None

    @property
    def words(self) -> str:
        """The goal as the table has it."""
        if self.target is None:
            return ""
        times = f" x {self.base.words}" if self.base else f" {self.unit}"
        return f"{'<=' if self.at_most else '>='} {self.target:g}{times}"


def _qemus(quantity: str) -> Base:
    return Base(QEMU, quantity, "QEMU's")


def _of_qemus(target: float, what: str, quantity: str, unit: str, at_most: bool = False, of: str = OURS) -> Goal:
    return Goal(what, quantity, unit, target, _qemus(quantity), at_most, of)


SOURCE = "QEMU 5.0's own proxy under KVM, as its users have it on record: not measured in this run"
_AT_64 = Base(OURS, UNIX_64, "ours at 64")

GOALS = (
    _of_qemus(10, "colo-compare, unix sockets, 64 connections, 64 B", UNIX_64, PAIRS),
    _of_qemus(6, "colo-compare, unix sockets, 64 connections, 1400 B", UNIX_1400, PAIRS),
    _of_qemus(6, "colo-compare, TCP loopback, 64 connections, 64 B", TCP_64, PAIRS),
    _of_qemus(4, "colo-compare, TCP loopback, 64 connections, 1400 B", TCP_1400, PAIRS),
    Goal("10,000 connections, 64 B", TEN_THOUSAND, PAIRS, 0.8, _AT_64),
    Goal("1,000,000 connections, 64 B, nothing lost", MILLION, PAIRS, 0.4, _AT_64),
    Goal("1,000,000 connections, memory, idle", MILLION_MEMORY, "bytes each", 400, at_most=True),
    Goal("one connection, the secondary 1,000 packets behind", BEHIND, PAIRS, 1, Base(OURS, IN_STEP, "ours in step")),
    _of_qemus(2, "two TAPs, mirror without vnet headers, up", UP, GIGABITS),
    _of_qemus(2, "two TAPs, mirror without vnet headers, down", DOWN, GIGABITS),
    _of_qemus(10, "two TAPs, mirror with vnet headers, up", VNET_UP, GIGABITS),
    _of_qemus(6, "two TAPs, mirror with vnet headers, down", VNET_DOWN, GIGABITS),
    _of_qemus(1, "ping through two TAPs with a mirror, median", PING, MS, at_most=True),
    _of_qemus(1, "ping through two TAPs with a mirror, 99th percentile", PING_99, MS, at_most=True),
    Goal("a whole pair, HTTP download", PAIR_DOWN, GIGABITS, 1.5, on_record=0.006),
    Goal("a whole pair, HTTP upload", PAIR_UP, GIGABITS, 1.5, on_record=0.046),
    Goal("colo-compare, start to first packet", START, SECONDS, 1, at_most=True),
    Goal("colo-compare, memory, idle", MEMORY, MEGABYTES, 60, at_most=True),
    Goal("a primary (TAPs, filters, compare), memory, idle", PRIMARY_MEMORY, MEGABYTES, 60, at_most=True),
    _of_qemus(0.1, "not compiled: colo-compare, 64 connections, 64 B", UNIX_64, PAIRS, of=PLAIN),
    _of_qemus(0.1, "not compiled: colo-compare, 64 connections, 1400 B", UNIX_1400, PAIRS, of=PLAIN),
    Goal("not compiled: measurements that run", PLAIN_RUNS, "of all", 1, of=PLAIN),
    Goal("CPU time of the comparing program, 64 B", CPU_64, "us a pair", base=_qemus(CPU_64), at_most=True),
    Goal("CPU time of the comparing program, 1400 B", CPU_1400, "us a pair", base=_qemus(CPU_1400), at_most=True),
    Goal("instructions a packet, sans-IO, 64 B", INSTRUCTIONS_64, "instructions", at_most=True),
    Goal("instructions a packet, sans-IO, 1400 B", INSTRUCTIONS_1400, "instructions", at_most=True),
)

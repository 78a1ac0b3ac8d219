"""
``python -m benchmarks``, as root: two TAPs joined by ours and by QEMU, iperf3 both ways and ping.

The contestants of a round follow one another at once, every second round in reverse, and what is
compared is measured in the same round. Nothing is left behind, after Ctrl-C neither.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from benchmarks.contestants import QEMU, TWISTD, Contestant
from benchmarks.hosts import Hosts
from benchmarks.processes import BenchmarkError
from benchmarks.results import Results
from benchmarks.settings import SETTINGS, Setting, taking_part
from benchmarks.traffic import Load, Measurement, measure

NEEDED = (QEMU, TWISTD, "iperf3", "ping", "ip")
DEFAULT = (5, Load(seconds=3, pings=1000))
QUICK = (2, Load(seconds=1, pings=200))


def main() -> int:
    options = _parse()
    try:
        _check_host()
        results = _compete(options.settings, options.rounds, options.load)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print("\nmedian (least-most) of the rounds; ratios round by round; ping: less is better")
    for setting in options.settings:
        print(f"\n{results.table(setting)}")
    if options.json is not None:
        results.save(options.json, options.settings)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--quick", action="store_true", help="a minute or two, for a first impression")
    parser.add_argument("--rounds", type=int, help=f"how often each is measured ({DEFAULT[0]})")
    parser.add_argument("--seconds", type=int, help=f"of TCP, each way and round ({DEFAULT[1].seconds})")
    parser.add_argument("--pings", type=int, help=f"each round ({DEFAULT[1].pings})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all that was measured")
    names = [setting.name for setting in SETTINGS]
    parser.add_argument("--setting", action="append", choices=names, help="this one only; may be repeated")
    options = parser.parse_args()
    rounds, load = QUICK if options.quick else DEFAULT
    options.rounds = options.rounds or rounds
    options.load = Load(options.seconds or load.seconds, options.pings or load.pings)
    options.settings = [setting for setting in SETTINGS if setting.name in (options.setting or names)]
    return options


def _check_host() -> None:
    """Raises BenchmarkError."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise BenchmarkError(f"these programs are missing: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise BenchmarkError("root is needed, for TAPs and network namespaces")


def _compete(settings: list[Setting], rounds: int, load: Load) -> Results:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    results = Results()
    began = time.monotonic()
    for index in range(rounds):
        order = taking_part(settings)
        for contestant in order[::-1] if index % 2 else order:
            measured = _measured(contestant, load)
            results.add(contestant, measured)
            print(f"{time.monotonic() - began:4.0f} s, round {index + 1}: {contestant.name}: {_brief(measured)}")
            sys.stdout.flush()
    return results


def _measured(contestant: Contestant, load: Load) -> Measurement:
    with Hosts() as hosts, contestant.joined(hosts) as mirrored:
        return measure(hosts, load, mirrored)


def _brief(measured: Measurement) -> str:
    lagged = ", THE MIRROR'S PEER DID NOT GET ALL" if measured.mirror_lagged else ""
    return f"up {measured.up:.2f}, down {measured.down:.2f} Gbit/s, ping {measured.ping:.3f} ms{lagged}"


if __name__ == "__main__":
    sys.exit(main())

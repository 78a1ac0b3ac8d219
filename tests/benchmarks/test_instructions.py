"""benchmarks/instructions: what is made of callgrind's counts, and that the path compares."""

from __future__ import annotations

import pytest

from benchmarks.compare.streams import PRIMARY_ISN, SECONDARY_ISN, openings, segments
from benchmarks.instructions import part
from benchmarks.instructions.path import Path, chunks, main
from benchmarks.processes import BenchmarkError
from colo_twisted.packets.build import compiled


def test_set_up_drops_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = {False: part.FEW, True: part.FEW + part.MORE}
    monkeypatch.setattr(part, "count", lambda payload, everything: 1_000_000 + pairs[everything] * 2 * payload)
    assert [(measured.payload, measured.per_packet) for measured in part.measure()] == [(64, 64), (1400, 1400)]


def test_callgrinds_last_words() -> None:
    assert part.counted("==7== Events    : Ir\n==7== Collected : 614843741\n") == 614843741
    with pytest.raises(BenchmarkError, match="doesn't say"):
        part.counted("==7== killed\n")


def test_the_path_lets_all_go() -> None:
    path = Path()
    opening, data = bytes(openings(3, PRIMARY_ISN).data), bytes(segments(3, 64, 2000).data)
    path.compare(chunks(opening), chunks(openings(3, SECONDARY_ISN).data))
    path.compare(chunks(data), chunks(data))
    assert path.released == len(opening) + len(data)


def test_only_a_compiled_build_is_counted() -> None:
    if compiled():
        main(3, 64, 20, 10, True)
    else:
        with pytest.raises(SystemExit, match="not compiled"):
            main(3, 64, 20, 10, True)

"""Hashes of keys: of the bytes alone, and spread."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.support.inlined import in_use

hashing = in_use("colo_twisted.packets.hashing")
SEED = bytes(range(7, 256)) + bytes(7)


@given(st.binary(max_size=80), st.binary(max_size=300), st.binary(max_size=9))
def test_what_stands_around_a_key_is_nothing_to_it(before: bytes, key: bytes, behind: bytes) -> None:
    number = hashing.hashed(before + key + behind, len(before), len(before) + len(key), SEED)
    assert number == hashing.hashed(key, 0, len(key), SEED)
    assert 0 <= number < 1 << 32


def test_keys_that_differ_in_little_spread_over_all_numbers() -> None:
    keys = [bytes((10, 0, host, 1)) + port.to_bytes(2, "big") + bytes(6) for host in range(32) for port in range(256)]
    keys += [bytes(size) for size in range(100)]
    numbers = [hashing.hashed(key, 0, len(key), SEED) for key in keys]
    assert len(set(numbers)) > len(keys) * 0.999
    chains = [0] * 16384
    for number in numbers:
        chains[number % len(chains)] += 1
    assert max(chains) < 10


@given(st.integers(0, 1 << 32), st.integers(0, 65535 - 64))
def test_ports_in_a_row_spread_over_a_small_table_whatever_the_seed(number: int, port: int) -> None:
    """Of a table that is half full they leave no long run of places taken: a search would walk through all of it."""
    seed = Random(number).randbytes(256)
    keys = [bytes((10, 0, 0, 1, 10, 0, 0, 2, 0, 80)) + (port + index).to_bytes(2, "big") for index in range(64)]
    places = {hashing.hashed(key, 0, len(key), seed) % 128 for key in keys}
    assert len(places) > 32

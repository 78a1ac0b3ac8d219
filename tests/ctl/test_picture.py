from __future__ import annotations

import pytest

from colo_twisted.ctl.picture import Sample, rates, take_picture, take_sample, version_of
from tests.ctl.canned import CHAINS, CHARDEVS, DIVERGENCE, LOST, CannedClient, CannedServer


def test_a_picture_has_every_answer() -> None:
    server = CannedServer(query_colo_replica=LOST, query_colo_divergences=[DIVERGENCE])
    picture = take_picture(CannedClient(server))
    assert (picture.name, picture.status, picture.version) == ("alpha", "running", "colo_twisted 0.1.0")
    assert picture.problems == LOST["problems"]
    assert ("query-colo-divergences", {"limit": 3}) in server.executed
    assert picture.document() == {
        "name": "alpha",
        "version": "colo_twisted 0.1.0",
        "status": "running",
        "replica": LOST,
        "chains": CHAINS,
        "chardevs": CHARDEVS,
        "divergences": [DIVERGENCE],
    }


def test_a_process_without_a_name_has_none() -> None:
    assert take_picture(CannedClient(CannedServer(query_name={}))).name is None


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ({"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian 1:7.2"}, "Debian 1:7.2"),
        ({"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": ""}, "QEMU 7.2.22"),
        ({}, "QEMU 0.0.0"),
    ],
)
def test_what_the_server_calls_itself(version: object, text: str) -> None:
    assert version_of({"version": version}) == text


def test_a_sample_is_of_one_kind_or_of_all() -> None:
    server = CannedServer()
    server.clock.sleep(2)
    sample = take_sample(CannedClient(server), "netdev", server.clock.monotonic)
    assert sample.at == 2
    assert sample.counted["netdev hn0"]["frames_in"] == 2_468
    take_sample(CannedClient(server))
    assert server.executed == [("query-stats", {"kind": "netdev"}), ("query-stats", {})]


def test_rates_are_of_what_stood_in_both_samples_and_did_not_begin_again() -> None:
    before = Sample(10.0, {"a": {"same": 5, "more": 10, "began again": 7}, "gone": {"x": 1}})
    after = Sample(12.0, {"a": {"same": 5, "more": 30, "began again": 2, "new": 9}, "came": {"x": 1}})
    assert rates(before, after) == {"a": {"same": 0.0, "more": 10.0}, "came": {}}


def test_two_samples_of_one_moment_divide_by_no_zero() -> None:
    assert rates(Sample(1.0, {"a": {"x": 1}}), Sample(1.0, {"a": {"x": 1}})) == {"a": {"x": 0.0}}

"""Two TCP guests, their client, a rewriter and a comparer: all arrives, and nothing diverges."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.compared import App, Compared
from tests.support.replicas import CLIENT, CLIENT6, GUEST, GUEST6, settle
from tests.support.tcp import Endpoint

isns = st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 20_000, 2**32 - 1))
clocks = st.integers(0, 2**32 - 1)

services = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 100_000),
        "opening": st.sampled_from(("client", "guest")),
        "loss": st.sampled_from((0.0, 0.02, 0.1)),
        "up": st.sampled_from((0, 1, 5_000, 150_000)),
        "down": st.sampled_from((0, 1, 5_000, 150_000)),
        "isns": st.tuples(isns, isns, isns),
        "clocks": st.one_of(st.none(), st.tuples(clocks, clocks, clocks)),
        "sack": st.booleans(),
        "scale": st.sampled_from((None, 0, 3)),
        "buffers": st.sampled_from(((1 << 18, 1 << 18), (1 << 18, 140_000), (20_000, 1 << 18))),
        "flights": st.sampled_from(((1 << 20, 1 << 20), (1 << 20, 6000), (6000, 1 << 20))),
        "ack_delays": st.sampled_from(((0.0, 0.0), (0.04, 0.0), (0.0, 0.04))),
        "pauses": st.sampled_from(((0.0, 0.0), (0.05, 0.0), (0.0, 0.05), (0.02, 0.02))),
        "reads": st.booleans(),
        "cut": st.booleans(),
        "lags": st.sampled_from(((0.0, 0.0), (0.01, 0.0), (0.0, 0.01), (0.003, 0.003))),
        "version": st.sampled_from((4, 6)),
        "tags": st.sampled_from(((), (5,))),
    }
)


def world_of(service: dict[str, Any], kind: type[Compared] = Compared, client_kind: type[Endpoint] = Endpoint) -> Any:
    random = Random(service["seed"])
    network = settle(random, service["loss"])
    client_at, guest_at = (CLIENT, GUEST) if service["version"] == 4 else (CLIENT6, GUEST6)
    clocks = service["clocks"] or (None, None, None)
    common = {key: service[key] for key in ("sack", "scale", "tags")}
    client = client_kind(client_at, guest_at, isn=service["isns"][0], clock=clocks[0], **common)
    download = random.randbytes(service["down"])
    client.stream += random.randbytes(service["up"])
    client.closing = True
    guests, apps = [], []
    for index in range(2):
        guest = Endpoint(
            guest_at,
            client_at,
            isn=service["isns"][1 + index],
            clock=clocks[1 + index],
            buffer=service["buffers"][index],
            flight=service["flights"][index],
            ack_delay=service["ack_delays"][index],
            cuts=Random(index) if service["cut"] else None,
            **common,
        )
        guests.append(guest)
        apps.append(App(download, Random(index), service["pauses"][index], 20_000, service["reads"]))
    for guest in guests:
        guest.listen() if service["opening"] == "client" else guest.connect(network.now)
    client.listen() if service["opening"] == "guest" else client.connect(network.now)
    world = kind(network, client, guests, apps, service["lags"])
    world.download = download  # type: ignore[attr-defined]
    return world


def is_over(*ends: Endpoint) -> bool:
    return all(end.state in ("CLOSED", "TIME-WAIT") for end in ends)


def assert_all_arrived(world: Compared, guest: Endpoint) -> None:
    assert is_over(world.client, guest), (world.client.state, guest.state, world.network.now)
    assert bytes(guest.received) == bytes(world.client.stream)
    assert bytes(world.client.received) == world.download  # type: ignore[attr-defined]
    assert guest.wrongs == []
    if not world.failed and not world.network.loss:  # else a FIN may come again when the guest has forgotten
        assert not guest.reset
        assert not world.client.reset


@given(services)
def test_all_arrives_and_nothing_diverges(service: dict[str, Any]) -> None:
    world = world_of(service)
    world.network.run(lambda: is_over(world.client, world.primary), world.turn, limit=120)
    assert_all_arrived(world, world.primary)
    world.network.run(lambda: is_over(world.secondary), world.turn, limit=200)
    assert bytes(world.secondary.received) == bytes(world.client.stream)
    assert world.secondary.wrongs == []
    # an old packet of the client's may have been answered by the one's RST just now, and soon is by the other's
    world.network.run(lambda: world.comparer.tally.held_packets == 0, world.turn, limit=250)
    assert (world.comparer.tally.held_packets, world.comparer.tally.held_bytes) == (0, 0)


moments = st.floats(0.0, 0.3)


@given(services, moments, st.tuples(st.floats(0, 0.02), st.floats(0, 0.2), st.floats(0, 0.02)), st.booleans(), moments)
def test_a_checkpoint_in_mid_stream_loses_nothing(
    service: dict[str, Any], begins: float, takes: tuple[float, float, float], flush_first: bool, dies: float
) -> None:
    """Whichever of the two is ahead: the secondary could go on alone at any time afterwards, and does so here."""
    world = world_of(service)
    network = world.network

    def after(seconds: float) -> None:
        end = network.now + seconds
        network.at(end, lambda: None)
        network.run(lambda: network.now >= end, world.turn)

    after(begins)
    mark = world.begin_checkpoint()
    after(takes[0])
    world.copy_primary()
    after(takes[1])
    if flush_first:
        world.flush(mark)
        after(takes[2])
        world.end_checkpoint()
    else:
        world.end_checkpoint()
        after(takes[2])
        world.flush(mark)
    after(dies)
    if dies < 0.29:
        world.fail_over()
    survivor = world.secondary if world.failed else world.primary
    network.run(lambda: is_over(world.client, survivor), world.turn, limit=200)
    assert_all_arrived(world, survivor)

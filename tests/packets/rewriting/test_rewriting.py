"""The rewriter: whatever the two guests' numbers, the client could go on with either."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from tests.support.links import Network
from tests.support.replicas import CLIENT, CLIENT6, GUEST, GUEST6, Replicas, settle
from tests.support.tcp import Endpoint

PAUSE_SECONDS = 0.3

isns = st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 20_000, 2**32 - 1))
clocks = st.integers(0, 2**32 - 1)

services = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 100_000),
        "opening": st.sampled_from(("client", "guest", "both")),
        "loss": st.sampled_from((0.0, 0.02, 0.1)),
        "up": st.sampled_from((0, 1, 5_000, 60_000)),
        "down": st.sampled_from((0, 1, 5_000, 60_000)),
        "isns": st.tuples(isns, isns, isns),
        "clocks": st.one_of(st.none(), st.tuples(clocks, clocks, clocks)),
        "sack": st.booleans(),
        "scale": st.sampled_from((None, 0, 3)),
        "ack_delay": st.sampled_from((0.0, 0.04)),
        "flights": st.sampled_from(((1 << 20, 1 << 20), (1 << 20, 3000), (3000, 1 << 20))),
        "cut": st.booleans(),
        "buffer": st.sampled_from((1 << 18, 5000)),
        "pause": st.booleans(),
        "version": st.sampled_from((4, 6)),
        "tags": st.sampled_from(((), (5,), (7, 5))),
    }
)


def right_checksum(packet: bytes) -> bool:
    """By scapy's account."""
    dissected = Ether(packet)
    shown = dissected[TCP].chksum
    del dissected[TCP].chksum
    return bool(Ether(bytes(dissected))[TCP].chksum == shown)


def read_on(client: Endpoint, network: Network) -> None:
    client.reading = True
    client.read(network.now)


def replicas_of(service: dict[str, Any]) -> Replicas:
    """The three of them, with all that they are to say, and how they begin."""
    random = Random(service["seed"])
    network = settle(random, service["loss"])
    client_at, guest_at = (CLIENT, GUEST) if service["version"] == 4 else (CLIENT6, GUEST6)
    clocks = service["clocks"] or (None, None, None)
    common = {key: service[key] for key in ("sack", "scale", "ack_delay", "tags", "buffer")}
    upload, download = random.randbytes(service["up"]), random.randbytes(service["down"])
    client = Endpoint(client_at, guest_at, isn=service["isns"][0], clock=clocks[0], **common)
    guests = [
        Endpoint(
            guest_at,
            client_at,
            isn=service["isns"][1 + index],
            clock=clocks[1 + index],
            flight=service["flights"][index],
            cuts=Random(index) if service["cut"] else None,
            **common,
        )
        for index in range(2)
    ]
    for guest in guests:
        guest.stream += download
        guest.closing = True
        guest.listen() if service["opening"] == "client" else guest.connect(network.now)
    client.stream += upload
    client.closing = True
    if service["pause"]:
        client.reading = False  # its window runs full, if there is as much to come
        network.at(network.now + PAUSE_SECONDS, lambda: read_on(client, network))
    client.listen() if service["opening"] == "guest" else client.connect(network.now)
    return Replicas(network, client, guests[0], guests[1])


def is_over(*ends: Endpoint) -> bool:
    return all(end.state == "CLOSED" for end in ends)


@given(services)
def test_the_secondary_follows_the_whole_connection(service: dict[str, Any]) -> None:
    replicas = replicas_of(service)
    client, primary, secondary = replicas.client, replicas.primary, replicas.secondary
    replicas.network.run(lambda: is_over(client, primary, secondary), replicas.turn)
    assert is_over(client, primary)
    assert secondary.state in ("CLOSED", "TIME-WAIT", "LAST-ACK", "CLOSING", "FIN-WAIT-2"), secondary.state
    assert secondary.wrongs == []
    assert secondary.received == client.stream
    assert replicas.stream() == primary.stream
    assert all(map(right_checksum, replicas.rewritten))


@given(services, st.integers(1, 120))
def test_a_take_over_in_mid_stream_loses_nothing(service: dict[str, Any], milliseconds: int) -> None:
    replicas = replicas_of(service)
    network, client, secondary = replicas.network, replicas.client, replicas.secondary
    network.run(lambda: network.now > 100.0 + milliseconds / 1000, replicas.turn)
    replicas.fail_over()
    over = network.run(lambda: is_over(client, secondary), replicas.turn)
    assert over, (client.state, secondary.state)
    assert secondary.wrongs == []
    assert secondary.received == client.stream
    assert client.received == secondary.stream

"""The user-space TCP that other tests rely on: two of them over a bad network agree on every byte."""

from __future__ import annotations

import copy
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from tests.support.links import Network
from tests.support.segments import ACK, RST, SYN, Address, Segment
from tests.support.tcp import Endpoint

CLIENT = Address.of("52:54:00:00:00:01", "10.0.0.1", 40000)
SERVER = Address.of("52:54:00:00:00:02", "10.0.0.2", 80)
CLIENT6 = Address.of("52:54:00:00:00:01", "fd00::1", 40000)
SERVER6 = Address.of("52:54:00:00:00:02", "fd00::2", 80)

options = st.fixed_dictionaries(
    {
        "isn": st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 3000, 2**32 - 1)),
        "clock": st.one_of(st.none(), st.integers(0, 2**32 - 1)),
        "mss": st.integers(88, 1460),
        "scale": st.one_of(st.none(), st.integers(0, 1)),  # a larger one would leave nothing of a small buffer
        "sack": st.booleans(),
        "buffer": st.sampled_from((3000, 20_000, 1 << 18)),
        "ack_delay": st.sampled_from((0.0, 0.04)),
        "flight": st.sampled_from((3000, 1 << 20)),
        "cuts": st.one_of(st.none(), st.integers(0, 1000).map(Random)),
    }
)


def join(network: Network, one: Endpoint, other: Endpoint) -> object:
    """What ``Network.run`` calls at each turn."""

    def turn() -> float | None:
        deadlines = []
        for end, peer in ((one, other), (other, one)):
            if end.deadline is not None and end.deadline <= network.now:
                end.tick(network.now)
            for packet in end.take():
                network.carry(packet, peer.receive)
            deadlines.append(end.deadline)
        return min((when for when in deadlines if when is not None), default=None)

    return turn


def pair(**both: object) -> tuple[Endpoint, Endpoint]:
    client = Endpoint(CLIENT, SERVER, isn=1000, **both)  # type: ignore[arg-type]
    server = Endpoint(SERVER, CLIENT, isn=5000, **both)  # type: ignore[arg-type]
    server.listen()
    return client, server


@given(
    st.integers(0, 10_000),
    options,
    options,
    st.sampled_from((0.0, 0.05, 0.2)),
    st.sampled_from(("one opens", "both open")),
    st.integers(0, 30_000),
    st.integers(0, 30_000),
)
def test_the_same_bytes_arrive_whatever_the_network_does(
    seed: int, one: dict, other: dict, loss: float, opening: str, up: int, down: int
) -> None:
    random = Random(seed)
    network = Network(random, loss, doubled=loss, jitter=0.02 if loss else 0.0)
    client = Endpoint(CLIENT, SERVER, **copy.deepcopy(one))
    server = Endpoint(SERVER, CLIENT, **copy.deepcopy(other))
    server.listen() if opening == "one opens" else server.connect(network.now)
    client.connect(network.now)
    upload, download = random.randbytes(up), random.randbytes(down)
    for end, data in ((client, upload), (server, download)):
        end.send(data, network.now)
        end.close(network.now)
    over = network.run(lambda: client.state == server.state == "CLOSED", join(network, client, server))
    assert over, (client.state, server.state)
    assert (bytes(server.received), bytes(client.received)) == (upload, download)
    assert client.fin_received
    assert server.fin_received
    assert client.wrongs == server.wrongs == []


@pytest.mark.parametrize(("local", "remote", "network"), [(CLIENT, SERVER, IP), (CLIENT6, SERVER6, IPv6)])
@pytest.mark.parametrize("tags", [(), (5,), (7, 5)])
def test_its_packets_are_what_scapy_makes(local: Address, remote: Address, network: type, tags: tuple) -> None:
    segment = Segment(7, 9, SYN | ACK, 512, b"odd", 1460, 7, True, ((20, 30),), (11, 12))
    packet = segment.packet(local, remote, tags)
    dissected = Ether(packet)
    tcp = dissected[TCP]
    shown = tcp.chksum
    rebuilt = dissected.copy()
    del rebuilt[TCP].chksum
    assert Ether(bytes(rebuilt))[TCP].chksum == shown
    assert network in dissected
    assert (tcp.seq, tcp.ack, str(tcp.flags), tcp.window, bytes(tcp.payload)) == (7, 9, "SA", 512, b"odd")
    assert dict(option for option in tcp.options if option[0] not in ("NOP", "EOL")) == {
        "MSS": 1460,
        "SAckOK": b"",
        "Timestamp": (11, 12),
        "WScale": 7,
        "SAck": (20, 30),
    }
    assert Segment.of(packet) == segment
    assert Segment.of(packet[:-1] + b"?") is None


def established(**both: object) -> tuple[Network, Endpoint, Endpoint]:
    network = Network(Random(1))
    client, server = pair(**both)
    client.connect(network.now)
    assert network.run(lambda: server.state == "ESTABLISHED", join(network, client, server))
    return network, client, server


def answer(end: Endpoint, segment: Segment, now: float) -> list[Segment]:
    end.receive(segment.packet(CLIENT, SERVER), now)
    return [said for packet in end.take() if (said := Segment.of(packet))]


def test_an_ack_for_what_was_never_sent_is_dropped_with_its_payload() -> None:
    _, _, server = established(clock=None)
    said = answer(server, Segment(1001, 5002, payload=b"lost"), 101.0)
    assert [(one.seq, one.ack) for one in said] == [(5001, 1001)]
    assert server.received == b""


@pytest.mark.parametrize(
    ("seq", "state", "answers"), [(1001, "CLOSED", 0), (1002, "ESTABLISHED", 1), (999, "ESTABLISHED", 0)]
)
def test_a_reset_counts_at_rcv_nxt_only(seq: int, state: str, answers: int) -> None:
    _, _, server = established(clock=None)
    assert len(answer(server, Segment(seq, flags=RST), 101.0)) == answers
    assert server.state == state


def test_an_old_timestamp_is_dropped() -> None:
    _, _, server = established()
    assert server.ts_recent is not None
    now = server.ts_recent
    answer(server, Segment(1001, 5001, payload=b"old", timestamps=(now - 1, 0)), 101.0)
    assert server.received == b""


def test_a_foreign_timestamp_in_syn_sent_is_answered_by_a_reset() -> None:
    server = Endpoint(SERVER, CLIENT, isn=5000, clock=0)
    server.connect(100.0)
    said = answer(server, Segment(1000, 5001, SYN | ACK, timestamps=(1, 999_999_999)), 100.1)
    assert [one.flags for one in said] == [SYN, RST]
    assert server.wrongs


def test_a_full_window_shuts_and_opens_again() -> None:
    network, client, server = established(buffer=3000)
    server.reading = False
    client.send(b"x" * 9000, network.now)
    network.run(lambda: len(server.received) >= 3000, join(network, client, server))
    assert not network.run(lambda: len(server.received) > 3000, join(network, client, server), limit=30.0)
    server.reading = True
    server.read(network.now)
    assert network.run(lambda: len(server.received) == 9000, join(network, client, server))


def test_a_copy_goes_on_as_the_original_would() -> None:
    network, _, server = established()
    server.send(b"before", network.now)
    twin = copy.deepcopy(server)
    for end in (server, twin):
        end.send(b"after", network.now)
    assert server.take() == twin.take()

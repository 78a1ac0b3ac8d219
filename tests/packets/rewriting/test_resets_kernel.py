"""The kernel's TCP takes the resets of a take-over at once: no challenge ACK, no second try (RFC 5961 section 3)."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.rewriter import Rewriter
from tests.support.namespaces import Host, Hosts

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
PATIENCE = 10.0  # seconds
CLIENT, SERVER = "10.9.9.1", "10.9.9.2"


@contextmanager
def inside(host: Host) -> Iterator[None]:
    """Sockets that are made meanwhile are in the host's namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{host.name}") as there:
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


class Wire:
    """A connection between two kernels, and a rewriter that has seen all of it, but stands aside."""

    def __init__(self, hosts: Hosts) -> None:
        one, other = hosts.add("client"), hosts.add("server")
        hosts.cable(one, "eth0", other, "eth0")
        one.ip(f"addr add {CLIENT}/24 dev eth0")
        other.ip(f"addr add {SERVER}/24 dev eth0")
        self.rewriter = Rewriter()
        with inside(one):
            self.to_server = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # what leaves here gets there
            self.to_server.bind(("eth0", 0))
            self.client = socket.socket()
        with inside(other):
            self.to_client = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.to_client.bind(("eth0", ETH_P_ALL))
            listening = socket.create_server((SERVER, 80))
        self.client.settimeout(PATIENCE)
        self.client.connect((SERVER, 80))
        self.server, _ = listening.accept()
        self.server.settimeout(PATIENCE)
        listening.close()

    def look(self) -> list[bytes]:
        """Let the rewriter see what has passed; what it answers the client."""
        answers: list[bytes] = []
        while select.select([self.to_client], [], [], 0.05)[0]:
            packet, (_, _, kind, *_) = self.to_client.recvfrom(65536)
            batch = Batch.from_packets([packet])
            if kind == socket.PACKET_OUTGOING:
                self.rewriter.from_guest(batch, 1.0)
            else:
                self.rewriter.to_guest(batch, 1.0)
                made = self.rewriter.take_for_client()
                answers += made.packets() if made else ()
        return answers

    def answer_client(self) -> None:
        """Once it has spoken: the client gets the rewriter's answer."""
        deadline = time.monotonic() + PATIENCE
        while not (answers := self.look()):
            assert time.monotonic() < deadline
        self.to_client.send(answers[0])

    def exchange(self, request: bytes, answer: bytes) -> None:
        self.client.sendall(request)
        assert self.server.recv(100) == request
        self.server.sendall(answer)
        assert self.client.recv(100) == answer
        self.look()

    def fail_over(self) -> tuple[list[bytes], list[bytes]]:
        self.rewriter.following.unprotect(None, 1.0)
        self.rewriter.fail_over(1.0)
        ((for_guest, for_client),) = self.rewriter.resets()
        assert for_guest is not None
        assert for_client is not None
        return list(for_guest.packets()), list(for_client.packets())

    def close(self) -> None:
        for each in (self.client, self.server, self.to_client, self.to_server):
            each.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Hosts() as hosts:
        made = Wire(hosts)
        yield made
        made.close()


def test_both_ends_take_it_at_once(wire: Wire) -> None:
    wire.exchange(b"request", b"answer")
    (for_guest,), (for_client, _) = wire.fail_over()
    wire.to_server.send(for_guest)
    with pytest.raises(ConnectionResetError):
        wire.server.recv(100)
    wire.to_client.send(for_client)
    with pytest.raises(ConnectionResetError):
        wire.client.recv(100)


def test_a_client_that_speaks_afterwards_takes_the_answer(wire: Wire) -> None:
    wire.exchange(b"request", b"answer")
    wire.fail_over()
    wire.client.sendall(b"more")
    wire.answer_client()
    with pytest.raises(ConnectionResetError):
        wire.client.recv(100)


def test_a_client_that_is_further_than_was_seen_and_says_nothing_is_made_to_speak(wire: Wire) -> None:
    """It downloads: nothing more comes, so it has nothing to acknowledge, and its last ACKs were lost."""
    wire.exchange(b"request", b"answer")
    wire.server.sendall(b"more")
    assert wire.client.recv(100) == b"more"
    while select.select([wire.to_client], [], [], 0.3)[0]:
        wire.to_client.recv(65536)  # lost to the rewriter
    _, (known, question) = wire.fail_over()
    wire.to_client.send(known)
    wire.to_client.send(question)
    wire.answer_client()
    with pytest.raises(ConnectionResetError):
        wire.client.recv(100)

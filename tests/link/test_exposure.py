"""Which addresses others can reach."""

from __future__ import annotations

import socket

import pytest

from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress
from colo_twisted.link.exposure import REMEDY, exposure, is_loopback

OPEN = f"is open to other hosts, and there is no TLS; {REMEDY}"
OUT = f"is on other hosts, and there is no TLS; {REMEDY}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%lo", False),
        ("2001:db8::1", False),
    ],
)
def test_which_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    said = exposure(TCPAddress(host, 1), server=True, resolve=False)
    assert (said is None) is loopback


@pytest.mark.parametrize(
    ("address", "server", "said"),
    [
        (TCPAddress("", 1), True, f"tcp::1 {OPEN}"),
        (TCPAddress("0.0.0.0", 1, 9), True, f"tcp:0.0.0.0:1-9 {OPEN}"),
        (TCPAddress("10.0.0.1", 1), False, f"tcp:10.0.0.1:1 {OUT}"),
        (TCPAddress("", 1), False, None),  # connects to localhost
        (UNIXAddress("/tmp/s"), True, None),
        (UNIXAddress("/tmp/s"), False, None),
        (UNIXAddress("s", True), True, f"unix:@s has no file permissions: any local user can connect; {REMEDY}"),
    ],
)
def test_what_is_said(address: Address, server: bool, said: str | None) -> None:
    assert exposure(address, server, resolve=False) == said


@pytest.mark.parametrize(
    ("name", "ipv4", "found", "loopback"),
    [
        ("localhost", None, ["127.0.0.1", "::1"], True),
        ("elsewhere", None, ["127.0.0.1", "10.0.0.1"], False),
        ("mixed", True, ["127.0.0.1", "2001:db8::1"], True),
        ("0", None, ["0.0.0.0"], False),
        ("a..b", None, UnicodeError("a..b"), True),
        ("nowhere", None, socket.gaierror("none"), True),
    ],
)
def test_a_name_is_what_it_leads_to(
    name: str, ipv4: bool | None, found: list[str] | Exception, loopback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, **_: object) -> list[object]:
        assert (host, port) == (name, 1)
        if isinstance(found, Exception):
            raise found
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [(family, 0, 0, "", (address, 1)) for family, address in zip(families, found)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    address = TCPAddress(name, 1, ipv4=ipv4)
    assert exposure(address, True, resolve=False) is None
    assert (exposure(address, True, resolve=True) is None) is loopback


def test_a_descriptor_is_what_it_is_bound_or_connected_to() -> None:
    with socket.create_server(("", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as near:
        assert exposure(DescriptorAddress(everywhere.fileno()), True, resolve=False) is None
        said = exposure(DescriptorAddress(everywhere.fileno()), True, resolve=True)
        assert said == f"fd:{everywhere.fileno()} {OPEN}"
        assert exposure(DescriptorAddress(near.fileno()), True, resolve=True) is None
        with socket.create_connection(near.getsockname()) as client:
            assert exposure(DescriptorAddress(client.fileno()), False, resolve=True) is None
    one, other = socket.socketpair()
    with one, other:
        assert exposure(DescriptorAddress(one.fileno()), True, resolve=True) is None
    assert exposure(DescriptorAddress(987654), True, resolve=True) is None  # whoever uses it says so

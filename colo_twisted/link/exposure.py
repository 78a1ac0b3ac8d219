"""Who else can reach an address: for what obeys whoever connects."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address

from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress

REMEDY = "use 127.0.0.1, ::1 or a unix socket's path, or allow it with insecure=on"


def exposure(address: Address, server: bool, resolve: bool) -> str | None:
    """
    What makes an address unsafe, and what to do, in words; None if only this host's permissions count.

    Without ``resolve`` no name is looked up and no descriptor is looked at: what can't be told is None then.
    """
    if isinstance(address, UNIXAddress):
        return f"{address} has no file permissions: any local user can connect; {REMEDY}" if address.abstract else None
    if isinstance(address, DescriptorAddress):
        hosts = _hosts_of(address.fd, server) if resolve else []
    else:
        hosts = _hosts(address, server, resolve)
    if all(is_loopback(host) for host in hosts):
        return None
    return f"{address} is {'open to' if server else 'on'} other hosts, and there is no TLS; {REMEDY}"


def is_loopback(host: str) -> bool:
    """Whether a numeric address is this host's alone."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _hosts(address: TCPAddress, server: bool, resolve: bool) -> list[str]:
    """All numeric addresses that are meant, as far as they can be told."""
    if not address.host:
        return ["0.0.0.0"] if server else []
    try:
        ip_address(address.host)
    except ValueError:
        return _resolved(address) if resolve else []
    return [address.host]


def _resolved(address: TCPAddress) -> list[str]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []  # whoever uses it says so
    return [str(sockaddr[0]) for family, *_, sockaddr in found if family in address.families]


def _hosts_of(fd: int, server: bool) -> list[str]:
    try:
        with socket.socket(fileno=socket.dup(fd)) as inherited:
            if inherited.family not in (socket.AF_INET, socket.AF_INET6):
                return []
            return [(inherited.getsockname() if server else inherited.getpeername())[0]]
    except OSError:
        return []

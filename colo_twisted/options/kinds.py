"""The kinds of value that a property can take: how each is read, printed and explained."""

from __future__ import annotations

import os
import re
import shlex
import socket
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any


class Kind:
    """
    A kind of value.

    ``parse`` raises ValueError for a text that isn't allowed; its message, where it has one, adds to
    ``allowed``, which ends the sentence 'property ... takes ...'.
    """

    allowed = "any text"

    def parse(self, text: str) -> Any:
        return text

    def format(self, value: Any) -> str:
        return str(value)


class Text(Kind):
    """Text that is not empty."""

    allowed = "a text that is not empty"

    def __init__(self, allowed: str = allowed) -> None:
        self.allowed = allowed

    def parse(self, text: str) -> str:
        if not text or "\0" in text or "\n" in text:
            raise ValueError
        os.fsencode(text)  # raises a ValueError for what the kernel can't be told
        return text


class Identifier(Kind):
    """An id in QEMU's form."""

    allowed = "a letter, then letters, digits, '-', '.' and '_'"
    _form = re.compile(r"[A-Za-z][A-Za-z0-9._-]*", re.ASCII)

    def parse(self, text: str) -> str:
        if not self._form.fullmatch(text):
            raise ValueError
        return text


class Reference(Identifier):
    """The id of something that another option makes: what is 'chardev', 'netdev' or 'object'."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.allowed = f"the id of a {what}" if what != "object" else "the id of an object"


class Boolean(Kind):
    """on or off; the only kind with a short form."""

    allowed = "on or off"
    _values = {"on": True, "yes": True, "true": True, "y": True, "off": False, "no": False, "false": False, "n": False}

    def parse(self, text: str) -> bool:
        try:
            return self._values[text]
        except KeyError:
            raise ValueError from None

    def format(self, value: bool) -> str:
        return "on" if value else "off"


class Switch(Boolean):
    """QEMU's status of a filter: on or off like any other, but a word where others are JSON's true and false."""


class Integer(Kind):
    """A whole number between two bounds."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self.allowed = f"a whole number from {least} to {most}"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"-?[0-9]+|0[xX][0-9a-fA-F]+", text):
            raise ValueError
        return _within(int(text, 0 if text[:2] in ("0x", "0X") else 10), self.least, self.most)


class Choice(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.allowed = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise ValueError
        return text


class _Scaled(Kind):
    """A number with a unit behind it, kept as a whole number of the smallest unit."""

    def __init__(self, units: dict[str, int], unit: str, least: int, most: int) -> None:
        self._units, self._unit = units, unit
        self.least, self.most = least, most

    def parse(self, text: str) -> int:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)", text, re.ASCII)
        if match is None:
            raise ValueError
        number, unit = match.groups()
        try:
            scale = self._units[unit or self._unit]
        except KeyError:
            raise ValueError from None
        exact = Fraction(number) * scale / self._units[self._unit]
        if exact.denominator != 1:
            raise ValueError
        return _within(exact.numerator, self.least, self.most)


class Size(_Scaled):
    """Bytes, with QEMU's suffixes B, K, M, G, T (powers of 1024); as a number of bytes."""

    _suffixes = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

    def __init__(self, least: int = 0, most: int = 1 << 46) -> None:
        super().__init__(self._suffixes | {s.lower(): n for s, n in self._suffixes.items()}, "B", least, most)
        self.allowed = f"a size from {self.format(least)} to {self.format(most)}, such as 65536, 64K or 1.5M"

    def format(self, value: int) -> str:
        for suffix in "TGMK":
            if value and value % self._suffixes[suffix] == 0:
                return f"{value // self._suffixes[suffix]}{suffix}"
        return str(value)


class Duration(_Scaled):
    """A time, as a number of ``unit``; 's', 'ms' and 'us' may stand behind it."""

    def __init__(self, unit: str, least: int, most: int) -> None:
        super().__init__({"s": 1_000_000, "ms": 1000, "us": 1}, unit, least, most)
        self.allowed = f"a time in {unit}, a whole number from {least} to {most}, or as much with a unit (s, ms, us)"


class MACAddress(Kind):
    """A unicast Ethernet address, as six bytes."""

    allowed = "a unicast Ethernet address such as 52:54:00:12:34:56"

    def parse(self, text: str) -> bytes:
        if not re.fullmatch(r"([0-9a-fA-F]{1,2}[:-]){5}[0-9a-fA-F]{1,2}", text):
            raise ValueError
        address = bytes(int(digits, 16) for digits in re.split("[:-]", text))
        if address[0] & 1 or not any(address):
            raise ValueError
        return address

    def format(self, value: bytes) -> str:
        return value.hex(":")


class Port(Kind):
    """A TCP port by number or service name, as a number; 0 lets the kernel choose."""

    allowed = "a port from 0 to 65535, or a service's name"

    def parse(self, text: str) -> int:
        if text.isascii() and text.isdigit():
            return _within(int(text), 0, 65535)
        try:
            return socket.getservbyname(text, "tcp")
        except (OSError, ValueError):
            raise ValueError from None


class HostPort(Kind):
    """HOST:PORT, as a pair of both; an IPv6 host stands in brackets, and an absent one is ''."""

    allowed = "HOST:PORT, with an IPv6 host in brackets"

    def parse(self, text: str) -> tuple[str, int]:
        match = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]*)):([^:]+)", text)
        if match is None or re.search(r"[\s\0]", text):
            raise ValueError
        return (match[1] or match[2] or "", Port().parse(match[3]))

    def format(self, value: tuple[str, int]) -> str:
        host, port = value
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class PortRange(Kind):
    """A port, or all from one to another, by number; as a range."""

    allowed = "a port from 0 to 65535, or a range of them such as 5000-5010"

    def parse(self, text: str) -> range:
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
        if match is None:
            raise ValueError
        first = int(match[1])
        return range(first, _within(int(match[2] or first), first, 65535) + 1)

    def format(self, value: range) -> str:
        return str(value.start) if len(value) == 1 else f"{value.start}-{value.stop - 1}"


class Network(Kind):
    """An IPv4 or IPv6 network, or one address."""

    allowed = "an IPv4 or IPv6 network such as 192.0.2.0/24 or 2001:db8::/32, or an address"

    def parse(self, text: str) -> IPv4Network | IPv6Network:
        if not re.fullmatch(r"[0-9a-fA-F.:]+(/[0-9]{1,3})?", text):
            raise ValueError
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise ValueError from None
        if "/" in text and ip_network(text.partition("/")[0]).network_address != network.network_address:
            raise ValueError(f"that address lies in {network}")
        return network

    def format(self, value: IPv4Network | IPv6Network) -> str:
        return str(value.network_address) if value.prefixlen == value.max_prefixlen else str(value)


class IPProtocol(Kind):
    """What IP carries, by IANA's number; None is any."""

    allowed = "tcp, udp, icmp, icmpv6, any, or a number from 0 to 255"
    _numbers: dict[str, int | None] = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "any": None}

    def parse(self, text: str) -> int | None:
        if text in self._numbers:
            return self._numbers[text]
        if not re.fullmatch("[0-9]{1,3}", text):
            raise ValueError
        return _within(int(text), 0, 255)

    def format(self, value: int | None) -> str:
        names = {number: name for name, number in self._numbers.items()}
        return names.get(value, str(value))


class InterfaceName(Kind):
    """A network interface's name, or a pattern with one %d that the kernel fills with a number."""

    allowed = "an interface name of 1 to 15 bytes (%d lets the kernel number it), without '/', ':' and blanks"

    def parse(self, text: str) -> str:
        if not 1 <= len(text.encode()) <= 15 or text in (".", "..") or re.search(r"[/:\s\0]", text):
            raise ValueError
        if "%" in text.replace("%d", "", 1):
            raise ValueError
        return text


class Script(Kind):
    """A program's path, or 'no' for none (as '')."""

    allowed = "a program's path, or 'no'"

    def parse(self, text: str) -> str:
        if not text or "\0" in text:
            raise ValueError
        os.fsencode(text)
        return "" if text == "no" else text

    def format(self, value: str) -> str:
        return value or "no"


class Command(Kind):
    """A program and its arguments, as a tuple; no shell runs it."""

    allowed = "a program and its arguments, quoted as for a shell"

    def parse(self, text: str) -> tuple[str, ...]:
        if "\0" in text or "\n" in text:
            raise ValueError
        os.fsencode(text)
        words = tuple(shlex.split(text))
        if not words or not words[0]:
            raise ValueError
        return words

    def format(self, value: tuple[str, ...]) -> str:
        return shlex.join(value)


class Position(Kind):
    """A place in a filter chain."""

    allowed = "head, tail or id=FILTER"

    def parse(self, text: str) -> str:
        if text not in ("head", "tail"):
            if not text.startswith("id="):
                raise ValueError
            Identifier().parse(text[3:])
        return text


class Only(Kind):
    """A property of QEMU's of which only some values can be honoured here."""

    def __init__(self, *values: str, why: str) -> None:
        self._values = values
        self.allowed = f"{' or '.join(values)} only: {why}" if values else f"no value here: {why}"

    def parse(self, text: str) -> str:
        if text not in self._values:
            raise ValueError
        return text


class OnlyOff(Boolean):
    """A switch of QEMU's that can't be on here."""

    def __init__(self, why: str) -> None:
        self.allowed = f"off only: {why}"

    def parse(self, text: str) -> bool:
        if super().parse(text):
            raise ValueError
        return False


class Ignored(Kind):
    """A property that has a meaning inside QEMU only: taken, and without effect."""

    allowed = "any value (without effect outside QEMU)"


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError
    return value

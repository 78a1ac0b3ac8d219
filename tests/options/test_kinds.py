"""Kinds of value: what is read is what was printed, and what isn't allowed is refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.options import declare
from colo_twisted.options.kinds import (
    Boolean,
    Choice,
    Command,
    Duration,
    HostPort,
    Identifier,
    Ignored,
    Integer,
    InterfaceName,
    IPProtocol,
    Kind,
    MACAddress,
    Network,
    Only,
    OnlyOff,
    Port,
    PortRange,
    Position,
    Reference,
    Script,
    Size,
    Text,
)
from colo_twisted.registry import Registry
from tests.support.strategies import values_of

SAMPLES: list[Kind] = [
    Kind(),
    Text(),
    Text("a path"),
    Identifier(),
    Reference("chardev"),
    Boolean(),
    Integer(-5, 70000),
    Choice("all", "rx", "tx"),
    Size(),
    Size(least=1 << 17, most=1 << 31),
    Duration("s", 0, 86400),
    Duration("ms", 0, 86400000),
    Duration("us", 1, (1 << 32) - 1),
    MACAddress(),
    Port(),
    HostPort(),
    PortRange(),
    Network(),
    IPProtocol(),
    Command(),
    InterfaceName(),
    Script(),
    Position(),
    Only("1", "one", why="there is one"),
    OnlyOff("it can't be on"),
    Ignored(),
]


def declared_kinds() -> dict[str, Kind]:
    """The kind of every property of every type, by names."""
    registry = Registry()
    return {
        f"{option} {name} {each.name}": each.kind
        for option in ("chardev", "netdev", "device", "object")
        for name, found in registry.all(option).items()
        for each in declare.declarations(found.properties)
        if option != "device" or name == "e1000"
    }


# one of each that differs in type or in what is allowed, under the name of the last one that has it
_NAMED = {f"{type(kind).__name__} {number}": kind for number, kind in enumerate(SAMPLES)} | declared_kinds()
ALL = {(type(kind), kind.allowed): (name, kind) for name, kind in _NAMED.items()}
every_kind = pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in ALL.values()])
every_kind_with_values = pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=name) for name, kind in ALL.values() if not values_of(kind).is_empty]
)


@every_kind_with_values
def test_what_was_printed_is_read_as_the_same_value(kind: Kind) -> None:
    @given(values_of(kind))
    def check(value: Any) -> None:
        assert kind.parse(kind.format(value)) == value

    check()


@every_kind
def test_any_text_is_read_or_refused_with_a_value_error(kind: Kind) -> None:
    @given(st.text(max_size=30) | st.text("0123456789.:-+%/[]abcKMx \udcff", max_size=20))
    def check(text: str) -> None:
        try:
            value = kind.parse(text)
        except ValueError:
            return
        assert kind.parse(kind.format(value)) == value

    check()


@every_kind
def test_every_kind_says_what_is_allowed_in_one_line(kind: Kind) -> None:
    assert kind.allowed.strip()
    assert kind.allowed.isprintable()


READ: list[tuple[Kind, str, Any]] = [
    (Boolean(), "on", True),
    (Boolean(), "yes", True),
    (Boolean(), "true", True),
    (Boolean(), "y", True),
    (Boolean(), "off", False),
    (Boolean(), "no", False),
    (Boolean(), "false", False),
    (Boolean(), "n", False),
    (OnlyOff(""), "no", False),
    (Integer(0, 100), "007", 7),
    (Integer(0, 100), "0x1f", 31),
    (Integer(-5, 5), "-5", -5),
    (Size(), "0", 0),
    (Size(), "65536", 65536),
    (Size(), "65536B", 65536),
    (Size(), "64K", 65536),
    (Size(), "64k", 65536),
    (Size(), "1.5M", 3 << 19),
    (Size(), "2G", 2 << 30),
    (Size(), "1T", 1 << 40),
    (Size(), "0.5K", 512),
    (Duration("s", 0, 100), "5", 5),
    (Duration("s", 0, 100), "5s", 5),
    (Duration("s", 0, 100), "5000ms", 5),
    (Duration("ms", 0, 10000), "5", 5),
    (Duration("ms", 0, 10000), "1.5s", 1500),
    (Duration("us", 1, 10000), "2ms", 2000),
    (Duration("us", 1, 10000), "0.25ms", 250),
    (MACAddress(), "52:54:00:12:34:56", bytes.fromhex("525400123456")),
    (MACAddress(), "52-54-0-12-34-56", bytes.fromhex("525400123456")),
    (MACAddress(), "AA:bb:00:12:34:56", bytes.fromhex("aabb00123456")),
    (Port(), "0", 0),
    (Port(), "65535", 65535),
    (HostPort(), ":9003", ("", 9003)),
    (HostPort(), "10.22.1.2:9003", ("10.22.1.2", 9003)),
    (HostPort(), "[::1]:9003", ("::1", 9003)),
    (HostPort(), "[fe80::1%eth0]:9003", ("fe80::1%eth0", 9003)),
    (PortRange(), "0", range(1)),
    (PortRange(), "65535", range(65535, 65536)),
    (PortRange(), "080", range(80, 81)),
    (PortRange(), "5000-5010", range(5000, 5011)),
    (PortRange(), "0-65535", range(65536)),
    (PortRange(), "7-7", range(7, 8)),
    (Network(), "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (Network(), "10.22.1.2", ip_network("10.22.1.2/32")),
    (Network(), "0.0.0.0/0", ip_network("0.0.0.0/0")),
    (Network(), "2001:DB8::/32", ip_network("2001:db8::/32")),
    (Network(), "::1", ip_network("::1/128")),
    (IPProtocol(), "tcp", 6),
    (IPProtocol(), "udp", 17),
    (IPProtocol(), "icmp", 1),
    (IPProtocol(), "icmpv6", 58),
    (IPProtocol(), "any", None),
    (IPProtocol(), "0", 0),
    (IPProtocol(), "255", 255),
    (InterfaceName(), "tap0", "tap0"),
    (InterfaceName(), "colo%d", "colo%d"),
    (InterfaceName(), "a" * 15, "a" * 15),
    (Command(), "copy", ("copy",)),
    (Command(), "copy 'the state' \"\" $x", ("copy", "the state", "", "$x")),
    (Script(), "no", ""),
    (Script(), "/etc/qemu-ifup", "/etc/qemu-ifup"),
    (Position(), "head", "head"),
    (Position(), "id=rew0", "id=rew0"),
    (Only("1", why=""), "1", "1"),
    (Ignored(), "", ""),
]


@pytest.mark.parametrize(("kind", "text", "value"), READ)
def test_read(kind: Kind, text: str, value: Any) -> None:
    assert kind.parse(text) == value


REFUSED: list[tuple[Kind, str]] = [
    *((Text(), text) for text in ("", "a\0b", "a\nb")),
    *((Identifier(), text) for text in ("", "0a", "-a", "a b", "a/b", "é", "a,b", "a\n", "#block")),
    *((Reference("netdev"), text) for text in ("", "hn0 ", "[hn0]")),
    *((Boolean(), text) for text in ("", "ON", "1", "0", "maybe", "onn", " on")),
    *((OnlyOff(""), text) for text in ("on", "yes", "", "maybe")),
    *((Integer(0, 100), text) for text in ("", "-1", "101", "1.0", "1e1", "0o7", "+1", "1_0", " 1", "٣", "ten")),
    (Integer(0, 100), "9" * 5000),
    *((Choice("all", "rx"), text) for text in ("", "RX", "tx", "al")),
    *((Size(), text) for text in ("", "K", "1.5", "-1K", "1KB", "1Q", "1 K", "65T", "0x10", ".5K", "1.K", "1e3")),
    *((Size(least=1 << 17), text) for text in ("0", "131071", "127K")),
    (Size(), "9" * 5000),
    (Size(), "1.00000000000000000000000000000000000000001K"),
    *((Duration("s", 0, 86400), text) for text in ("", "-1", "86401", "500ms", "1m", "1h", "1S", "0.5")),
    *((Duration("us", 1, 1000), text) for text in ("0", "0.5", "2ms", "1ns")),
    *((MACAddress(), text) for text in ("", "52:54:00:12:34", "52:54:00:12:34:56:78", "525400123456", "g2:54:0:1:2:3")),
    *((MACAddress(), text) for text in ("01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "53:0:0:0:0:1")),
    *((Port(), text) for text in ("", "-1", "65536", "99999", "0x50", "no-such-service", "80 ", "٣", "a\0b")),
    *((HostPort(), text) for text in ("", "9003", "host", "host:", ":", "::1:9003", "[::1]", "[::1]9003", "[]:1")),
    *((HostPort(), text) for text in ("host:65536", "host:no-such-service", "a:b:9003", "a\0b:9003", "a\nb:9003")),
    *((PortRange(), text) for text in ("", "-", "80-", "-80", "80-79", "65536", "1-65536", "1-2-3", "http", "٣", "8 ")),
    *((Network(), text) for text in ("", "10", "10.0.0.0/33", "::/129", "10.0.0.1/8", "fd00::1/8", "host", "٣.1.1.1")),
    *((Network(), text) for text in ("10.0.0.0/255.0.0.0", "fe80::1%eth0", "10.0.0/8", "/8", "::/", "10.0.0.0/-1")),
    *((IPProtocol(), text) for text in ("", "TCP", "256", "-1", "0x6", "sctp", "٣", "any ")),
    *((InterfaceName(), text) for text in ("", "a" * 16, "é" * 8, "a/b", "a:b", "a b", ".", "..", "a%s", "%d%d", "%")),
    *((Command(), text) for text in ("", " ", "''", "a 'b", "a\0b", "a\nb", "a\\")),
    *((Script(), text) for text in ("", "a\0b")),
    *((Position(), text) for text in ("", "Head", "middle", "id=", "id=0", "id=a b", "f1", "tail ")),
    *((Only("1", why=""), text) for text in ("", "4", "01", " 1")),
    *((Only(why="not yet"), text) for text in ("", "tls0")),
]


@pytest.mark.parametrize(("kind", "text"), REFUSED, ids=lambda part: repr(part)[:40])
def test_refused(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text, if any, only adds to 'allowed'
        kind.parse(text)


def test_a_port_may_be_a_services_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getservbyname", lambda name, protocol: {("http", "tcp"): 80}[name, protocol])
    assert Port().parse("http") == 80


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Boolean(), True, "on"),
        (Boolean(), False, "off"),
        (Size(), 65536, "64K"),
        (Size(), 65537, "65537"),
        (Size(), 64 << 20, "64M"),
        (Size(), 0, "0"),
        (MACAddress(), bytes.fromhex("525400123456"), "52:54:00:12:34:56"),
        (HostPort(), ("::1", 9003), "[::1]:9003"),
        (HostPort(), ("", 9003), ":9003"),
        (PortRange(), range(80, 81), "80"),
        (PortRange(), range(80, 90), "80-89"),
        (Network(), ip_network("10.22.1.2/32"), "10.22.1.2"),
        (Network(), ip_network("fd00::/8"), "fd00::/8"),
        (IPProtocol(), 6, "tcp"),
        (IPProtocol(), 132, "132"),
        (IPProtocol(), None, "any"),
        (Command(), ("copy", "the state", ""), "copy 'the state' ''"),
        (Script(), "", "no"),
    ],
)
def test_printed(kind: Kind, value: Any, text: str) -> None:
    assert kind.format(value) == text


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (Text(), "a text that is not empty"),
        (Text("a path"), "a path"),
        (Identifier(), "a letter, then letters, digits, '-', '.' and '_'"),
        (Reference("netdev"), "the id of a netdev"),
        (Reference("object"), "the id of an object"),
        (Integer(1, 5), "a whole number from 1 to 5"),
        (Choice("head"), "head"),
        (Choice("rx", "tx"), "rx or tx"),
        (Choice("all", "rx", "tx"), "all, rx or tx"),
        (Size(1 << 17, 1 << 31), "a size from 128K to 2G, such as 65536, 64K or 1.5M"),
        (Duration("us", 1, 9), "a time in us, a whole number from 1 to 9, or as much with a unit (s, ms, us)"),
        (Only("1", "2", why="no more"), "1 or 2 only: no more"),
        (Only(why="not yet"), "no value here: not yet"),
        (OnlyOff("can't be"), "off only: can't be"),
    ],
)
def test_what_is_allowed(kind: Kind, allowed: str) -> None:
    assert kind.allowed == allowed

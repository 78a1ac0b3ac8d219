"""
What hypothesis makes for the tests: packets, frames, cuts of a stream, values of every kind of property.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from colo_twisted.failover.guest_watch import Asked, Driven, FarEnd, GuestWatched, Pidfile
from colo_twisted.interfaces import IObjectType
from colo_twisted.link.addresses import TCPAddress, UNIXAddress
from colo_twisted.options import declare, kinds
from colo_twisted.options.errors import OptionError
from colo_twisted.packets.batch import LENGTH_SIZE, MAX_FRAME, MIN_PACKET, VNET_LENGTH_SIZE, Batch
from colo_twisted.qemu.properties import NodeNames, QMPSocket

VNET_LENGTHS = (0, 10, 12, 20)


# packets and frames


@dataclasses.dataclass(frozen=True)
class Frame:
    """What a frame is made of: a packet, and a virtio-net header where the wire carries them."""

    packet: bytes
    header: bytes = b""

    def __repr__(self) -> str:
        return f"Frame({len(self.packet)} bytes, {self.packet[:40].hex()}..., header={self.header.hex()})"

    def on_wire(self, vnet_hdr: bool) -> bytes:
        """The frame's bytes, written out plainly."""
        body = self.header + self.packet
        return struct.pack(">I", len(body)) + (struct.pack(">I", len(self.header)) if vnet_hdr else b"") + body


def wire(frames: list[Frame], vnet_hdr: bool) -> bytes:
    """The frames one behind the other."""
    return b"".join(frame.on_wire(vnet_hdr) for frame in frames)


def batch_of_frames(frames: list[Frame], vnet_hdr: bool) -> Batch:
    """The frames as a batch."""
    places = [0]
    for frame in frames:
        places.append(places[-1] + len(frame.on_wire(vnet_hdr)))
    return Batch(wire(frames, vnet_hdr), places, vnet_hdr)


def split_wire(data: bytes, vnet_hdr: bool) -> list[Frame]:
    """The frames of a stream that is whole and right: the oracle, one frame at a time by the book."""
    frames = []
    while data:
        length = int.from_bytes(data[:LENGTH_SIZE], "big")
        data = data[LENGTH_SIZE:]
        vnet_length = 0
        if vnet_hdr:
            vnet_length = int.from_bytes(data[:VNET_LENGTH_SIZE], "big")
            data = data[VNET_LENGTH_SIZE:]
        frames.append(Frame(data[vnet_length:length], data[:vnet_length]))
        data = data[length:]
    return frames


def frames_of(batch: Batch) -> list[Frame]:
    """A batch's frames, cut out by its places one at a time."""
    return [
        frame
        for start, end in zip(batch.places, batch.places[1:])
        for frame in split_wire(batch.data[start:end], batch.vnet_hdr)
    ]


def ethernet(packet_type: int, payload: bytes = b"", dst: str = "52:54:00:00:00:02") -> bytes:
    """An Ethernet packet."""
    source = "52:54:00:00:00:01"
    return bytes.fromhex((dst + source).replace(":", "")) + struct.pack(">H", packet_type) + payload


def packets(most: int = 200) -> st.SearchStrategy[bytes]:
    """Packets with IPv4's type and whatever else: mostly short ones, sometimes the largest."""
    short = st.binary(max_size=most)
    long = st.sampled_from((1486, 8986, MAX_FRAME - 20 - MIN_PACKET)).map(lambda size: b"\xa5" * size)
    payloads = st.one_of(*[short] * 9, long)
    return payloads.map(lambda payload: ethernet(0x0800, payload))


def frames(vnet_hdr: bool) -> st.SearchStrategy[Frame]:
    """Frames; with vnet headers of every length that there is, of any content."""
    if not vnet_hdr:
        return packets().map(Frame)
    headers = st.sampled_from(VNET_LENGTHS).flatmap(lambda size: st.binary(min_size=size, max_size=size))
    return st.builds(Frame, packets(), headers)


def streams() -> st.SearchStrategy[tuple[bool, list[Frame]]]:
    """Whether frames carry vnet headers, and the frames."""
    return st.booleans().flatmap(
        lambda vnet_hdr: st.tuples(st.just(vnet_hdr), st.lists(frames(vnet_hdr), min_size=1, max_size=8))
    )


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The data in pieces, cut anywhere; empty pieces too."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=20)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)])]


# option strings

identifiers = st.from_regex(kinds.Identifier._form, fullmatch=True).filter(lambda id: len(id) <= 15)
_anything = st.characters(codec="utf-8", exclude_characters="\0\n")
"""Blanks at the end of an element are dropped, so no value ends in one."""
values = st.text(_anything, max_size=12).filter(lambda text: text == text.rstrip())
texts = values.filter(bool)
keys = st.text(st.characters(codec="utf-8", exclude_characters="="), min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and not text.startswith(",")  # behind a comma it would be a doubled one
)


def _scaled(kind: Any) -> st.SearchStrategy[int]:
    edges = st.sampled_from((kind.least, kind.most))
    scale = st.sampled_from((1, 1 << 10, 1 << 20, 1000))
    anywhere = st.integers(kind.least, kind.most)
    round_ones = st.builds(lambda n, by: max(kind.least, n // by * by), anywhere, scale)
    return edges | anywhere | round_ones


def _interface_names(_: kinds.Kind) -> st.SearchStrategy[str]:
    letters = st.text("abcXYZ0189._-", min_size=1, max_size=13).filter(lambda name: name not in (".", ".."))
    return letters | letters.map(lambda name: f"{name}%d")


def _hosts() -> st.SearchStrategy[str]:
    return st.sampled_from(("", "localhost", "10.22.1.2", "::", "fe80::1%eth0"))


_NETWORKS = ("0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "::/0", "2001:db8::/32", "fe80::/10")
_COMMANDS = st.builds(lambda program, more: (program, *more), texts, st.lists(values, max_size=3))
_VALUES: dict[type[kinds.Kind], Callable[[Any], st.SearchStrategy[Any]]] = {
    kinds.Kind: lambda _: values,
    kinds.Ignored: lambda _: values,
    kinds.Text: lambda _: texts,
    kinds.Identifier: lambda _: identifiers,
    kinds.Reference: lambda _: identifiers,
    kinds.Boolean: lambda _: st.booleans(),
    kinds.Switch: lambda _: st.booleans(),
    kinds.OnlyOff: lambda _: st.just(False),
    kinds.Integer: lambda kind: st.sampled_from((kind.least, kind.most)) | st.integers(kind.least, kind.most),
    kinds.Choice: lambda kind: st.sampled_from(kind.words),
    kinds.Size: _scaled,
    kinds.Duration: _scaled,
    kinds.MACAddress: lambda _: st.binary(min_size=6, max_size=6).filter(lambda mac: not mac[0] & 1 and any(mac)),
    kinds.Port: lambda _: st.integers(0, 65535),
    kinds.PortRange: lambda _: st.tuples(*[st.integers(0, 65535)] * 2).map(lambda p: range(min(p), max(p) + 1)),
    kinds.Network: lambda _: st.ip_addresses().map(ip_network) | st.sampled_from(_NETWORKS).map(ip_network),
    kinds.IPProtocol: lambda _: st.none() | st.integers(0, 255),
    kinds.HostPort: lambda _: st.tuples(_hosts(), st.integers(0, 65535)),
    kinds.InterfaceName: _interface_names,
    kinds.Script: lambda _: st.just("") | texts.filter(lambda text: text != "no"),
    kinds.Command: lambda _: _COMMANDS,
    NodeNames: lambda _: st.lists(identifiers).map(tuple),
    QMPSocket: lambda _: st.builds(UNIXAddress, texts) | st.builds(TCPAddress, identifiers, st.integers(0, 65535)),
    GuestWatched: lambda _: (
        st.builds(Pidfile, texts)
        | st.one_of(st.builds(kind, identifiers) for kind in (FarEnd, Driven))
        | st.builds(Asked, _COMMANDS)
    ),
    kinds.Position: lambda _: st.sampled_from(("head", "tail")) | identifiers.map(lambda id: f"id={id}"),
    kinds.Only: lambda kind: st.sampled_from(kind._values) if kind._values else st.nothing(),
}


def values_of(kind: kinds.Kind) -> st.SearchStrategy[Any]:
    """The typed values that a kind allows. A kind without an entry above fails, so that none is forgotten."""
    return _VALUES[type(kind)](kind)


NEEDED: Mapping[tuple[str, str], tuple[dict[str, Any], ...]] = {
    ("chardev", "socket"): ({"host": "h", "port": 1}, {"port": 1, "server": True}, {"path": "/tmp/s"}, {"fd": 3}),
    ("netdev", "socket"): ({"fd": 3}, {"listen": ("", 1)}, {"connect": ("h", 1)}),
    ("netdev", "stream"): (
        {"kind": "inet", "host": "h", "port": 1},
        {"kind": "unix", "path": "/tmp/s"},
        {"kind": "fd", "fd": 3},
    ),
    ("object", "colo-compare"): ({"primary_in": "c0", "secondary_in": "c1", "outdev": "c2"},),
    ("object", "filter-redirector"): ({"indev": "c0"}, {"outdev": "c1"}, {"indev": "c2", "outdev": "c3"}),
}
"""What a type needs that no single declaration says, by option and type: one of these, by attribute."""


@st.composite
def properties_of(draw: st.DrawFn, option: str, found: IObjectType) -> declare.Properties:
    """Valid properties of a type, made from its declarations."""
    declared = list(declare.declarations(found.properties))
    chosen: dict[str, Any] = {each.attribute: draw(values_of(each.kind)) for each in declared if each.required}
    chosen |= draw(st.sampled_from(NEEDED.get((option, found.name), ({},))))
    assume(found.name != "pair" or chosen["id"] != chosen["peer"])
    free = [each for each in declared if each.attribute not in chosen and not values_of(each.kind).is_empty]
    for each in draw(st.lists(st.sampled_from(free), max_size=4)) if free else []:
        trial = chosen | {each.attribute: draw(values_of(each.kind))}
        try:
            found.properties(**trial).check()
        except OptionError:
            continue  # not together with what is there
        chosen = trial
    made: declare.Properties = found.properties(**chosen)
    made.check()
    return made

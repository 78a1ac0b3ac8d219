"""How the arguments of the adding commands are read, each in QEMU's form."""

from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.control.commands.layouts import Backend, Flat, WithProps
from colo_twisted.options import OptionError
from colo_twisted.options.configuration import Definition
from colo_twisted.options.errors import MissingProperty, UnknownProperty, UnknownType, WrongValue
from colo_twisted.options.json_values import WrongType
from tests.support.house import House

MACHINE = House("-netdev fake,id=hn0").machine


def definition(arguments: Flat | Backend, given: dict[str, Any]) -> Definition:
    return arguments.read(MACHINE, given)


def properties(arguments: Flat | Backend, given: dict[str, Any]) -> Any:
    return definition(arguments, given).properties


def socket(addr: Any, **data: Any) -> dict[str, Any]:
    return {"id": "c0", "backend": {"type": "socket", "data": {"addr": addr, **data}}}


def inet(**data: Any) -> dict[str, Any]:
    return {"type": "inet", "data": {"host": "127.0.0.1", "port": "9003", **data}}


# objects

BUFFER = {"qom-type": "filter-buffer", "id": "b0", "netdev": "hn0", "interval": 1000}


def test_an_object_lies_flat() -> None:
    made = definition(Flat("object"), {**BUFFER, "status": "off", "insert": "before", "position": "id=rew0"})
    assert (made.option, made.type.name, made.properties.id) == ("object", "filter-buffer", "b0")
    assert made.source == (
        "-object filter-buffer,id=b0,netdev=hn0,status=off,position=id=rew0,insert=before,interval=1000"
    )


def test_an_objects_properties_may_lie_in_props() -> None:
    props = {"netdev": "hn0", "interval": 1000}
    nested = {"qom-type": "filter-buffer", "id": "b0", "props": props}
    assert definition(WithProps("object"), nested) == definition(WithProps("object"), BUFFER)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (
            {"qom-type": "filter-buffer", "id": "b0", "netdev": "hn0", "props": {"interval": 1}},
            UnknownProperty,
            "netdev",
        ),
        ({"qom-type": "filter-buffer", "id": "b0", "props": {"id": "b1"}}, UnknownProperty, "'props.id'"),
        ({"qom-type": "filter-buffer", "id": "b0", "props": 5}, WrongType, "'props', expected: object"),
        ({"qom-type": "filter-buffer", "props": {"netdev": "hn0"}}, MissingProperty, "'id'"),
        ({"id": "b0", "props": {}}, MissingProperty, "'qom-type'"),
        ({"qom-type": 5, "id": "b0"}, WrongType, "'qom-type', expected: string"),
        ({"qom-type": "nope", "id": "b0"}, UnknownType, "'nope'"),
        ({"qom-type": "filter-replay", "id": "b0"}, OptionError, "record and replay is QEMU's own"),
        ({**BUFFER, "interval": None}, WrongType, "'interval', expected: integer"),
        ({**BUFFER, "id": "2bad"}, WrongValue, "'id'"),
        ({**BUFFER, "nope": 1}, UnknownProperty, "'nope'"),
    ],
)
def test_an_object_that_is_not_understood(given: dict[str, Any], kind: type[OptionError], words: str) -> None:
    with pytest.raises(kind, match=words):
        definition(WithProps("object"), given)


# netdevs


def test_a_streams_address_is_an_object() -> None:
    unix = {"type": "stream", "id": "st0", "server": True, "addr": {"type": "unix", "path": "/tmp/s"}}
    made = properties(Flat("netdev"), unix)
    assert (made.kind, made.path, made.server, made.host) == ("unix", "/tmp/s", True, None)
    inet = {"type": "stream", "id": "st0", "addr": {"type": "inet", "host": "h", "port": "1", "to": 5, "ipv4": True}}
    made = properties(Flat("netdev"), inet)
    assert (made.kind, made.host, made.port, made.to, made.ipv4, made.server) == ("inet", "h", 1, 5, True, False)
    fd = properties(Flat("netdev"), {"type": "stream", "id": "st0", "addr": {"type": "fd", "str": "5"}})
    assert (fd.kind, fd.fd) == ("fd", 5)


def test_taps_and_sockets_lie_flat() -> None:
    tap = properties(
        Flat("netdev"),
        {"type": "tap", "id": "t0", "ifname": "t0", "script": "no", "sndbuf": 1 << 20, "vnet_hdr": True, "queues": 1},
    )
    assert (tap.ifname, tap.script, tap.sndbuf, tap.vnet_hdr, tap.queues) == ("t0", "", 1 << 20, True, "1")
    listening = properties(Flat("netdev"), {"type": "socket", "id": "s0", "listen": "127.0.0.1:7115"})
    assert listening.listen == ("127.0.0.1", 7115)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"type": "stream", "id": "s"}, MissingProperty, "'addr' is missing"),
        ({"type": "stream", "id": "s", "addr": {"type": "unix"}}, MissingProperty, "'addr.path' is missing"),
        ({"type": "stream", "id": "s", "addr": {"type": "nope"}}, WrongValue, "'type' takes inet, unix or fd"),
        ({"type": "stream", "id": "s", "addr.type": "inet"}, MissingProperty, "'addr' is missing"),
        (
            {"type": "stream", "id": "s", "addr": {"type": "inet", "host": "h", "port": 1}},
            WrongType,
            "'addr.port', expected: string",
        ),
        (
            {"type": "stream", "id": "s", "addr": {"type": "unix", "path": "/p", "x": 1}},
            UnknownProperty,
            "'addr.x'",
        ),
        ({"type": "tap", "id": "t", "vhost": True}, WrongValue, "'vhost' takes off only"),
        ({"type": "nope", "id": "t"}, UnknownType, "'nope'"),
        ({"type": "tap"}, MissingProperty, "'id' is missing"),
    ],
)
def test_a_netdev_that_is_not_understood(given: dict[str, Any], kind: type[OptionError], words: str) -> None:
    with pytest.raises(kind, match=words):
        definition(Flat("netdev"), given)


# devices


def test_a_device_names_its_model() -> None:
    made = definition(Flat("device"), {"driver": "e1000", "netdev": "hn0", "mac": "52:54:00:12:34:56", "bootindex": 1})
    device: Any = made.properties
    assert (made.type.name, device.netdev, device.mac[-1], device.bootindex) == ("e1000", "hn0", 0x56, "1")


# chardevs


def test_a_socket_lies_two_objects_deep_and_is_a_server_as_qemus() -> None:
    made = properties(Backend(), socket(inet(to=9010)))
    assert (made.id, made.host, made.port, made.to, made.server, made.wait) == (
        "c0",
        "127.0.0.1",
        9003,
        9010,
        True,
        False,
    )


def test_a_client_may_try_again() -> None:
    made = properties(Backend(), socket({"type": "unix", "data": {"path": "/p"}}, server=False, reconnect=2))
    assert (made.path, made.server, made.reconnect) == ("/p", False, 2)
    assert properties(Backend(), socket(inet(), server=False, **{"reconnect-ms": 100})).reconnect_ms == 100


def test_a_descriptor_is_a_text_as_qemus() -> None:
    assert properties(Backend(), socket({"type": "fd", "data": {"str": "5"}}, server=False)).fd == 5


def test_other_backends_lie_one_object_deep() -> None:
    assert definition(Backend(), {"id": "n0", "backend": {"type": "null", "data": {}}}).type.name == "null"
    pair = properties(Backend(), {"id": "c0", "backend": {"type": "pair", "data": {"peer": "c1"}}})
    assert pair.peer == "c1"


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"id": "c0"}, MissingProperty, "'backend' is missing"),
        ({"backend": {"type": "null", "data": {}}}, MissingProperty, "'id' is missing"),
        ({"id": "c0", "backend": "socket"}, WrongType, "'backend', expected: object"),
        ({"id": "c0", "backend": {"data": {}}}, MissingProperty, "'backend.type' is missing"),
        ({"id": "c0", "backend": {"type": "nope", "data": {}}}, WrongValue, "'type' takes"),
        ({"id": "c0", "backend": {"type": "null"}}, MissingProperty, "'backend.data' is missing"),
        ({"id": "c0", "backend": {"type": "null", "data": {"x": 1}}}, UnknownProperty, "'backend.data.x'"),
        ({"id": "c0", "backend": {"type": "null", "data": {}}, "nope": 1}, UnknownProperty, "'nope'"),
        ({"id": "c0", "backend": {"type": "null", "data": {}, "nope": 1}}, UnknownProperty, "'backend.nope'"),
        ({"id": "c0", "backend": {"type": "socket", "data": {}}}, MissingProperty, "'backend.data.addr' is missing"),
        (socket(inet(nope=1)), UnknownProperty, "'backend.data.addr.data.nope'"),
        (socket(inet(), nope=1), UnknownProperty, "'backend.data.nope'"),
        (socket(inet(), host="h"), UnknownProperty, "'backend.data.host'"),
        (socket(inet(), server="on"), WrongType, "'backend.data.server', expected: boolean"),
        (socket(inet(port=1)), WrongType, "'backend.data.addr.data.port', expected: string"),
        (socket({"type": "unix", "data": {}}), MissingProperty, "'backend.data.addr.data.path' is missing"),
        (socket({"type": "nope", "data": {}}), WrongValue, "'type' takes inet, unix or fd"),
        (socket(inet(), reconnect=1), OptionError, "'reconnect' is for clients"),
    ],
)
def test_a_chardev_that_is_not_understood(given: dict[str, Any], kind: type[OptionError], words: str) -> None:
    with pytest.raises(kind, match=words):
        definition(Backend(), given)

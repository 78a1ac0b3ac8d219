from __future__ import annotations

import json
from typing import Any

import pytest

from colo_twisted.ctl.translate import Schema, WrongOption, arguments
from tests.ctl.schema import SCHEMA

KNOWN = Schema(SCHEMA)


@pytest.mark.parametrize(
    ("option", "text", "given"),
    [
        (
            "object",
            "filter-mirror,id=m0,netdev=hn0,outdev=c0,vnet_hdr_support=on,max_backlog=1000",
            {
                "qom-type": "filter-mirror",
                "id": "m0",
                "netdev": "hn0",
                "outdev": "c0",
                "vnet_hdr_support": True,
                "max_backlog": 1000,
            },
        ),
        ("object", "qom-type=filter-buffer,id=b0,interval=5", {"qom-type": "filter-buffer", "id": "b0", "interval": 5}),
        (
            "chardev",
            "socket,id=c0,host=10.22.1.2,port=9003,server=on,wait=off,ipv4=on",
            {
                "id": "c0",
                "backend": {
                    "type": "socket",
                    "data": {
                        "server": True,
                        "wait": False,
                        "addr": {"type": "inet", "data": {"host": "10.22.1.2", "port": "9003", "ipv4": True}},
                    },
                },
            },
        ),
        (
            "chardev",
            "socket,id=c0,port=9003",
            {
                "id": "c0",
                "backend": {
                    "type": "socket",
                    "data": {
                        "server": False,
                        "addr": {"type": "inet", "data": {"port": "9003", "host": "localhost"}},
                    },
                },
            },
        ),
        (
            "chardev",
            "socket,id=c0,path=/a,,b,abstract=off,reconnect=1",
            {
                "id": "c0",
                "backend": {
                    "type": "socket",
                    "data": {
                        "server": False,
                        "reconnect": 1,
                        "addr": {"type": "unix", "data": {"path": "/a,b", "abstract": False}},
                    },
                },
            },
        ),
        (
            "chardev",
            "socket,id=c0,fd=5",
            {
                "id": "c0",
                "backend": {"type": "socket", "data": {"server": False, "addr": {"type": "fd", "data": {"str": "5"}}}},
            },
        ),
        ("chardev", "null,id=n0", {"id": "n0", "backend": {"type": "null", "data": {}}}),
        ("chardev", "pair,id=a,peer=b", {"id": "a", "backend": {"type": "pair", "data": {"peer": "b"}}}),
        (
            "netdev",
            "stream,id=g1,server=on,addr.type=unix,addr.path=/run/g1",
            {"type": "stream", "id": "g1", "server": True, "addr": {"type": "unix", "path": "/run/g1"}},
        ),
        ("device", "e1000,id=e1,mac=52:54:00:12:34:56", {"driver": "e1000", "id": "e1", "mac": "52:54:00:12:34:56"}),
    ],
)
def test_option_strings_become_arguments(option: str, text: str, given: dict[str, Any]) -> None:
    assert arguments(option, text, KNOWN) == given


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("server", {"server": True}),
        ("server,nowait", {"server": True, "wait": False}),
        ("noserver", {"server": False}),
        ("unknown", {"unknown": "on", "server": False}),
    ],
)
def test_words_without_a_value(text: str, data: dict[str, Any]) -> None:
    given = arguments("chardev", f"socket,path=/a,{text}", KNOWN)["backend"]["data"]
    assert {name: value for name, value in given.items() if name != "addr"} == data


def test_what_the_server_must_judge_stays_text() -> None:
    """A unit, a negative number, a property or a type that the schema doesn't know."""
    given = arguments("object", "filter-mirror,max_backlog=64M,nonsense=1,notes=12", KNOWN)
    assert given == {"qom-type": "filter-mirror", "max_backlog": "64M", "nonsense": "1", "notes": "12"}
    assert arguments("object", "another,x=on,y.z=1", KNOWN) == {"qom-type": "another", "x": "on", "y": {"z": "1"}}
    assert arguments("object", "filter-buffer,interval=-5", KNOWN)["interval"] == -5


def test_lists() -> None:
    assert arguments("object", "filter-mirror,names=a", KNOWN)["names"] == ["a"]
    given = arguments("object", "filter-mirror,names.1=b,names.0=a,names.10=c", KNOWN)
    assert given["names"] == ["a", "b", "c"]


def test_json_goes_as_it_is() -> None:
    given = {"qom-type": "filter-mirror", "id": "m0", "vnet_hdr_support": True}
    assert arguments("object", json.dumps(given), KNOWN) == given


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        ("object", "filter-mirror,vnet_hdr_support=maybe", "property 'vnet_hdr_support' takes on or off; got 'maybe'"),
        ("chardev", "socket,path=/a,server=1", "property 'server' takes on or off; got '1'"),
        ("object", "id=m0", r"the type is missing: object TYPE,... (add object help lists them)"),
        ("chardev", "socket,id=c0", "a socket needs host= and port=, or path=, or fd="),
        (
            "netdev",
            "stream,addr=x,addr.type=unix",
            "property 'addr' has a value, and 'addr.type' would be inside of it",
        ),
        ("netdev", "stream,addr.type=unix,addr=x", "property 'addr' can't have a value: others are inside of it"),
        ("object", "{nonsense", "not JSON: "),
    ],
)
def test_what_cannot_be_translated(option: str, text: str, why: str) -> None:
    with pytest.raises(WrongOption) as raised:
        arguments(option, text, KNOWN)
    assert str(raised.value).startswith(why)


def test_a_server_without_the_command() -> None:
    with pytest.raises(WrongOption, match="this server has no command object-add"):
        arguments("object", "filter-mirror", Schema([]))


def test_the_types_of_each_option() -> None:
    assert KNOWN.types("object") == ["filter-mirror", "filter-buffer"]
    assert KNOWN.types("chardev") == ["socket", "null", "pair"]
    assert KNOWN.types("netdev") == ["stream", "tap"]
    assert KNOWN.types("device") == []
    assert [Schema([]).types(option) for option in ("object", "chardev")] == [[], []]


def test_the_events_that_there_are() -> None:
    assert KNOWN.events() == ["COLO_DIVERGENCE", "COLO_FAILOVER", "STOP"]
    assert Schema([]).events() == []


def test_what_a_command_takes() -> None:
    assert KNOWN.arguments("query-stats") == {"kind": ["netdev", "object"], "packets": ["true", "false"], "id": []}
    assert KNOWN.arguments("nonsense") == {}

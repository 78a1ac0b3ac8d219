"""As much of an answer to query-qmp-schema as the tests of `add` need, in QEMU's form."""

from __future__ import annotations

from typing import Any

STRING = {"name": "str", "meta-type": "builtin", "json-type": "string"}
INTEGER = {"name": "int", "meta-type": "builtin", "json-type": "int"}
BOOLEAN = {"name": "bool", "meta-type": "builtin", "json-type": "boolean"}


def members(**types: str) -> list[dict[str, Any]]:
    return [
        {"name": "qom-type" if name == "qom_type" else name, "type": type, "default": None}
        for name, type in types.items()
    ]


def an_object(name: str, **types: str) -> dict[str, Any]:
    return {"name": name, "meta-type": "object", "members": members(**types)}


def union(name: str, tag: str, cases: dict[str, str], **types: str) -> dict[str, Any]:
    variants = [{"case": case, "type": type} for case, type in cases.items()]
    return {**an_object(name, **types), "tag": tag, "variants": variants}


def command(name: str, arguments: str) -> dict[str, Any]:
    return {"name": name, "meta-type": "command", "arg-type": arguments, "ret-type": "0"}


SCHEMA = [
    STRING,
    INTEGER,
    BOOLEAN,
    {"name": "strs", "meta-type": "array", "element-type": "str"},
    {"name": "types", "meta-type": "enum", "values": ["filter-mirror", "filter-buffer"]},
    command("object-add", "1"),
    union("1", "qom-type", {"filter-mirror": "2", "filter-buffer": "3"}, id="str", qom_type="types"),
    an_object("2", netdev="str", outdev="str", vnet_hdr_support="bool", max_backlog="int", notes="str", names="strs"),
    an_object("3", netdev="str", interval="int"),
    command("chardev-add", "4"),
    an_object("4", id="str", backend="5"),
    union("5", "type", {"socket": "6", "null": "0", "pair": "10"}, type="str"),
    an_object("6", data="7"),
    an_object("7", addr="8", server="bool", wait="bool", reconnect="int"),
    union("8", "type", {"inet": "9", "unix": "11", "fd": "12"}, type="str"),
    an_object("9", data="13"),
    an_object("13", host="str", port="str", ipv4="bool"),
    an_object("10", data="14"),
    an_object("14", peer="str"),
    an_object("11", data="15"),
    an_object("15", path="str", abstract="bool"),
    an_object("12", data="16"),
    an_object("16", str="str"),
    an_object("0"),
    command("netdev_add", "20"),
    union("20", "type", {"stream": "21", "tap": "23"}, id="str", type="str"),
    an_object("21", server="bool", addr="22"),
    union("22", "type", {"inet": "13", "unix": "15"}, type="str"),
    an_object("23", ifname="str", vnet_hdr="bool"),
    command("device_add", "30"),
    command("query-stats", "40"),
    an_object("40", kind="kinds", packets="bool", id="str"),
    {"name": "kinds", "meta-type": "enum", "values": ["netdev", "object"]},
    {"name": "STOP", "meta-type": "event", "arg-type": "0"},
    {"name": "COLO_FAILOVER", "meta-type": "event", "arg-type": "0"},
    {"name": "COLO_DIVERGENCE", "meta-type": "event", "arg-type": "0"},
    an_object("30", driver="str", id="str"),
]

"""The tree of objects: where each is, and what it has."""

from __future__ import annotations

import pytest

from colo_twisted.control.commands.qom_tree import Node, find, qom_type, tree, types
from colo_twisted.control.errors import QMPError
from colo_twisted.options.kinds import Boolean, Choice, Duration, Ignored, Integer, Kind, Port, Reference, Size, Switch
from tests.support.asking import a_client

LINE = (
    "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,netdev=hn0,guest=g0"
    " -netdev fake,id=hn1 -netdev fake,id=g1 -device virtio-net-pci,id=e1,netdev=hn1,guest=g1,mac=52:54:00:12:34:56"
    " -chardev pair,id=c0,peer=c1 -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0 -object iothread,id=e1"
)


def a_tree() -> Node:
    return tree(a_client(LINE).house.machine)


def test_everything_has_a_place() -> None:
    assert {node.path: node.type for node in a_tree().walk()} == {
        "/": "container",
        "/machine": "colo-machine",
        "/machine/peripheral": "container",
        "/machine/peripheral/e1": "virtio-net-pci",
        "/machine/peripheral-anon": "container",
        "/machine/peripheral-anon/NIC0": "e1000",
        "/objects": "container",
        "/objects/m0": "filter-mirror",
        "/objects/e1": "iothread",
        "/chardevs": "container",
        "/chardevs/c0": "chardev-pair",
        "/chardevs/c1": "chardev-pair",
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "/"),
        ("/objects/m0", "/objects/m0"),
        ("//objects//m0/", "/objects/m0"),
        ("m0", "/objects/m0"),
        ("objects/e1", "/objects/e1"),
        ("machine/peripheral/e1", "/machine/peripheral/e1"),
        ("peripheral/e1", "/machine/peripheral/e1"),
    ],
)
def test_a_path_is_whole_or_the_part_that_says_enough(path: str, found: str) -> None:
    assert find(a_tree(), path).path == found


@pytest.mark.parametrize(
    ("path", "error_class", "text"),
    [
        ("/objects/no", "DeviceNotFound", "Device '/objects/no' not found"),
        ("/objects/m0/status", "DeviceNotFound", "Device '/objects/m0/status' not found"),
        ("no", "DeviceNotFound", "Device 'no' not found"),
        ("e1", "GenericError", "Path 'e1' is ambiguous"),
        ("", "GenericError", "Path '' is ambiguous"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(path: str, error_class: str, text: str) -> None:
    with pytest.raises(QMPError) as caught:
        find(a_tree(), path)
    assert (caught.value.error_class, caught.value.desc) == (error_class, text)


def test_an_object_has_what_its_type_declares() -> None:
    mirror = find(a_tree(), "m0")
    assert mirror.id == "m0"
    assert {name: known.get() for name, known in mirror.properties.items()} == {
        "type": "filter-mirror",
        "netdev": "hn0",
        "queue": "tx",
        "status": "on",
        "position": "tail",
        "insert": "behind",
        "outdev": "c0",
        "vnet_hdr_support": False,
        "max_backlog": 64 << 20,
    }


def test_a_device_has_its_address_and_nothing_where_nothing_is_set() -> None:
    properties = find(a_tree(), "/machine/peripheral/e1").properties
    assert properties["mac"].get() == "52:54:00:12:34:56"
    assert properties["bus"].get() == ""


def test_a_chardev_says_whether_it_is_connected() -> None:
    assert find(a_tree(), "c1").properties["connected"].get() is False


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        (Boolean(), "bool"),
        (Switch(), "string"),
        (Choice("a"), "string"),
        (Reference("chardev"), "string"),
        (Kind(), "string"),
        (Port(), "string"),
        (Ignored(), "string"),
        (Integer(0, 65536), "uint32"),
        (Integer(0, 1 << 40), "uint64"),
        (Integer(-1, 5), "int"),
        (Duration("ms", 1, 1 << 31), "uint32"),
        (Size(), "size"),
    ],
)
def test_types_of_properties_are_qoms(kind: Kind, type: str) -> None:
    assert qom_type(kind) == type


def test_types_stand_below_one_another() -> None:
    known = types(a_client(LINE).house.machine)
    assert (known["filter-mirror"].parent, known["colo-compare"].parent) == ("netfilter", "object")
    assert (known["chardev-socket"].parent, known["e1000"].parent) == ("chardev", "device")
    assert known["netfilter"].made_by is None
    for type in known.values():
        assert type.parent is None or type.parent in known

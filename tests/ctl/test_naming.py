from __future__ import annotations

import pytest

from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.naming import Thing, named, not_added, not_an_object, not_removed, things
from tests.ctl.canned import CHAINS, CannedClient, CannedServer
from tests.ctl.objects import a_server

REFUSED = Refused("it", "GenericError", "Device 'x' not found")


def a_client() -> CannedClient:
    chain = {**CHAINS[0], "netdev": "hn1", "device": None, "guest": "g1"}
    server = a_server(query_chain=[*CHAINS, chain, {**chain, "netdev": "hn2", "guest": None}])
    return CannedClient(server)


def test_all_that_has_an_id() -> None:
    known = things(a_client())
    assert known[:2] == [Thing("object", "m0", "filter-mirror"), Thing("object", "comp0", "colo-compare")]
    assert Thing("chardev", "mirror0", "chardev") in known
    assert [(thing.option, thing.id) for thing in known if thing.option in ("netdev", "device")] == [
        ("netdev", "hn0"),
        ("device", "e0"),
        ("netdev", "hn1"),
        ("netdev", "g1"),
        ("netdev", "hn2"),
    ]


def test_a_server_that_does_not_say() -> None:
    server = CannedServer()
    server.answers = {}
    assert things(CannedClient(server)) == []


def named_in_vain(id: str | None, refused: Refused, *types: str) -> Trouble:
    with pytest.raises(Trouble) as raised, named(a_client(), id, *types):
        raise refused
    return raised.value


def test_an_id_of_another_type() -> None:
    assert (
        str(named_in_vain("m0", REFUSED, "colo-compare")) == "'m0' is a filter-mirror, no colo-compare (there is comp0)"
    )
    assert str(named_in_vain("x", REFUSED, "colo-peer")) == "there is no colo-peer 'x' (there is none)"


def test_what_is_refused_for_another_reason_stands() -> None:
    unknown = Refused("it", "CommandNotFound", "no")
    assert named_in_vain(None, REFUSED, "colo-compare") is REFUSED
    assert named_in_vain("comp0", REFUSED, "colo-compare") is REFUSED
    assert named_in_vain("m0", unknown, "colo-compare") is unknown
    assert not_an_object(a_client(), "m0", REFUSED) is REFUSED
    busy = Refused("object-del", "GenericError", "object 'm0' is in use, can not be deleted")
    assert not_removed(a_client(), "object", "m0", busy) is busy
    assert not_removed(a_client(), "object", "m0", REFUSED) is REFUSED
    assert not_added(a_client(), "object", ["a"], REFUSED) is REFUSED


def test_what_is_to_be_removed_is_found_where_it_is() -> None:
    said = str(not_removed(a_client(), "chardev", "g1", REFUSED))
    assert said == "'g1' is a netdev, no chardev: colo-ctl del netdev g1"
    assert str(not_removed(a_client(), "chardev", "x", REFUSED)) == "there is no chardev 'x'"


@pytest.mark.parametrize(
    ("what", "description", "said"),
    [
        (
            "object",
            "attempt to add duplicate property 'm0' to object (type 'container')",
            "m0 is taken by a filter-mirror",
        ),
        ("chardev", "Chardev with id 'mirror0' already exists", "mirror0 is taken by a chardev"),
        ("netdev", "Duplicate ID 'hn0'", "hn0 is taken by a netdev"),
        ("device", "Duplicate ID 'x'", "x is taken"),
    ],
)
def test_an_id_that_is_taken(what: str, description: str, said: str) -> None:
    refused = Refused("it", "GenericError", description)
    expected = f"the id {said}: choose another, or remove that first"
    assert str(not_added(a_client(), what, [], refused)) == expected


def test_a_type_that_there_is_not() -> None:
    refused = Refused("object-add", "GenericError", "Parameter 'qom-type' does not accept value 'foo'")
    assert (
        str(not_added(a_client(), "object", ["b", "a"], refused))
        == "there is no object of type 'foo'; the types are: a, b"
    )
    assert not_added(a_client(), "object", [], refused) is refused
    no_model = Refused("device_add", "GenericError", "'foo' is not a valid device model name")
    server = a_server()
    server.answers["qom-list-types"] = [{"name": "virtio-net-pci"}, {"name": "e1000"}]
    said = "there is no device of type 'foo'; the types are: e1000, virtio-net-pci"
    assert str(not_added(CannedClient(server), "device", [], no_model)) == said

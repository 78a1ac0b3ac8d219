"""Our errors in QEMU's words: each line was seen on QEMU 7.2, but for what stands in brackets behind."""

from __future__ import annotations

import pytest

from colo_twisted.control.errors import QMPError, as_qmp
from colo_twisted.options.errors import (
    DuplicateId,
    InUse,
    MissingProperty,
    NoSuchDescriptor,
    NoSuchFilter,
    NoSuchReference,
    NotSettable,
    NotThere,
    OptionError,
    StartError,
    TakenChardev,
    UnknownProperty,
    UnknownType,
    WrongValue,
)
from colo_twisted.options.json_values import WrongType
from colo_twisted.options.kinds import Identifier

DEVICE = "DeviceNotFound"
GENERIC = "GenericError"


@pytest.mark.parametrize(
    ("error", "kind", "desc"),
    [
        (UnknownProperty("x", ["a"]), GENERIC, "Parameter 'x' is unexpected"),
        (MissingProperty("id", "a letter"), GENERIC, "Parameter 'id' is missing"),
        (
            WrongValue("queue", "rx, tx or all", "up"),
            GENERIC,
            "Parameter 'queue' does not accept value 'up' (allowed: rx, tx or all)",
        ),
        (
            WrongValue("id", Identifier.allowed, "2bad"),
            GENERIC,
            f"Parameter 'id' expects an identifier: {Identifier.allowed}",
        ),
        (WrongType("id", "string"), GENERIC, "Invalid parameter type for 'id', expected: string"),
        (UnknownType("object", "nope", []), GENERIC, "Parameter 'qom-type' does not accept value 'nope'"),
        (UnknownType("chardev", "nope", []), GENERIC, "Parameter 'type' does not accept value 'nope'"),
        (UnknownType("netdev", "nope", []), GENERIC, "Parameter 'type' does not accept value 'nope'"),
        (UnknownType("device", "nope", []), GENERIC, "'nope' is not a valid device model name"),
        (NoSuchReference("outdev", "chardev", "c9", []), DEVICE, "Device 'c9' not found"),
        (NoSuchReference("netdev", "netdev", "no", []), GENERIC, "Parameter 'netdev' expects a network backend id"),
        (
            NoSuchReference("iothread", "object", "i9", ["i0"]),
            GENERIC,
            "property 'iothread': there is no object 'i9' (there are: i0)",
        ),
        (NoSuchFilter("-object ...", "zz"), GENERIC, "filter 'zz' not found"),
        (NoSuchDescriptor(11), GENERIC, "File descriptor named '11' has not been found"),
        (TakenChardev("outdev", "c0", "filter-mirror 'm0'"), GENERIC, "Device 'c0' is in use (filter-mirror 'm0')"),
        (
            DuplicateId("object", "m0", "-object m0"),
            GENERIC,
            "attempt to add duplicate property 'm0' to object (type 'container')",
        ),
        (DuplicateId("chardev", "c0", "-chardev c0"), GENERIC, "Chardev with id 'c0' already exists"),
        (DuplicateId("netdev", "st0", "-netdev st0"), GENERIC, "Duplicate ID 'st0'"),
        (DuplicateId("device", "e0", "-device e0"), GENERIC, "Duplicate ID 'e0'"),
        (NotThere("object", "x"), GENERIC, "object 'x' not found"),
        (NotThere("chardev", "x"), GENERIC, "Chardev 'x' not found"),
        (NotThere("netdev", "x"), DEVICE, "Device 'x' not found"),
        (NotThere("device", "x"), DEVICE, "Device 'x' not found"),
        (InUse("chardev", "c0", "filter-mirror 'm0'"), GENERIC, "Chardev 'c0' is busy (filter-mirror 'm0')"),
        (InUse("object", "i0", "comp0"), GENERIC, "object 'i0' is in use, can not be deleted (by comp0)"),
        (InUse("netdev", "hn0", "filter-mirror 'm0'"), GENERIC, "Device 'hn0' is in use (filter-mirror 'm0')"),
        (NotSettable("netdev", ["status"]), GENERIC, "Property 'netdev' can not be changed (allowed: status)"),
        (NotSettable("netdev", []), GENERIC, "Property 'netdev' can not be changed (allowed: none)"),
        (OptionError("anything else"), GENERIC, "anything else"),
        (StartError("cannot listen"), GENERIC, "cannot listen"),
    ],
)
def test_each_error_in_qemus_words(error: OptionError | StartError, kind: str, desc: str) -> None:
    said = as_qmp(error)
    assert (said.error_class, said.desc, str(said)) == (kind, desc, desc)
    if isinstance(error, OptionError):
        blamed = as_qmp(error.blaming("-object x"))
        assert blamed.desc.removeprefix("-object x: ") == desc


def test_an_error_is_generic_unless_it_says_so() -> None:
    assert QMPError("no").error_class == GENERIC

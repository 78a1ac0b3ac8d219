"""
What a QMP client is told when something is wrong: an error class of QMP's, and words.

Clients match on some of QEMU's words, so errors of our own options are said in those; what is allowed
stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from colo_twisted.options.kinds import Identifier

GENERIC = "GenericError"
COMMAND_NOT_FOUND = "CommandNotFound"
DEVICE_NOT_FOUND = "DeviceNotFound"


class QMPError(Exception):
    """A command failed; ``error_class`` is one of QMP's five classes, ``desc`` a line for people."""

    def __init__(self, desc: str, error_class: str = GENERIC) -> None:
        super().__init__(desc)
        self.desc = desc
        self.error_class = error_class


def device_not_found(id: str) -> QMPError:
    """QEMU says so of chardevs and netdevs that are named in vain, and of QOM paths."""
    return QMPError(f"Device '{id}' not found", DEVICE_NOT_FOUND)


def as_qmp(error: OptionError | StartError) -> QMPError:
    """The same error in QEMU's words, where it has some; else in ours."""
    for kind, said in _SAID.items():
        if isinstance(error, kind):
            return said(error)
    return QMPError(str(error))


def _wrong_value(error: WrongValue) -> QMPError:
    if error.allowed == Identifier.allowed:
        return QMPError(f"Parameter '{error.name}' expects an identifier: {error.allowed}")
    return QMPError(f"Parameter '{error.name}' does not accept value '{error.got}' (allowed: {error.allowed})")


def _unknown_type(error: UnknownType) -> QMPError:
    if error.option == "device":
        return QMPError(f"'{error.name}' is not a valid device model name")
    name = "qom-type" if error.option == "object" else "type"
    return QMPError(f"Parameter '{name}' does not accept value '{error.name}'")


def _no_such_reference(error: NoSuchReference) -> QMPError:
    if error.what == "chardev":
        return device_not_found(error.id)
    if error.what == "netdev":
        return QMPError(f"Parameter '{error.property}' expects a network backend id")
    return QMPError(str(error))


def _duplicate_id(error: DuplicateId) -> QMPError:
    if error.option == "object":
        return QMPError(f"attempt to add duplicate property '{error.id}' to object (type 'container')")
    if error.option == "chardev":
        return QMPError(f"Chardev with id '{error.id}' already exists")
    return QMPError(f"Duplicate ID '{error.id}'")


def _not_there(error: NotThere) -> QMPError:
    if error.option == "object":
        return QMPError(f"object '{error.id}' not found")
    if error.option == "chardev":
        return QMPError(f"Chardev '{error.id}' not found")
    return device_not_found(error.id)


def _in_use(error: InUse) -> QMPError:
    if error.option == "object":
        return QMPError(f"object '{error.id}' is in use, can not be deleted (by {error.by})")
    if error.option == "chardev":
        return QMPError(f"Chardev '{error.id}' is busy ({error.by})")
    return QMPError(f"Device '{error.id}' is in use ({error.by})")


def _not_settable(error: NotSettable) -> QMPError:
    return QMPError(f"Property '{error.name}' can not be changed (allowed: {', '.join(error.settable) or 'none'})")


_SAID: dict[type[OptionError | StartError], Callable[[Any], QMPError]] = {
    NoSuchDescriptor: lambda error: QMPError(f"File descriptor named '{error.fd}' has not been found"),
    NoSuchFilter: lambda error: QMPError(f"filter '{error.id}' not found"),
    UnknownProperty: lambda error: QMPError(f"Parameter '{error.name}' is unexpected"),
    MissingProperty: lambda error: QMPError(f"Parameter '{error.name}' is missing"),
    WrongValue: _wrong_value,
    UnknownType: _unknown_type,
    NoSuchReference: _no_such_reference,
    TakenChardev: lambda error: QMPError(f"Device '{error.id}' is in use ({error.by})"),
    DuplicateId: _duplicate_id,
    NotThere: _not_there,
    InUse: _in_use,
    NotSettable: _not_settable,
}

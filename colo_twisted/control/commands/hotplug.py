"""Chardevs, netdevs, devices and objects come and go while all else runs."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred

from colo_twisted.control.commands.declare import command
from colo_twisted.control.commands.layouts import Backend, Flat, WithProps
from colo_twisted.machine import Machine
from colo_twisted.options.configuration import Definition
from colo_twisted.options.declare import prop
from colo_twisted.options.kinds import Boolean, Kind


@dataclass(frozen=True)
class IdArguments:
    id: str = prop(Kind(), "its id")


@command("object-add", "make an object: the type is 'qom-type'", WithProps("object"))
def object_add(machine: Machine, wanted: Definition) -> None:
    machine.add(wanted)


@command("object-del", "remove an object, after it has handed on what it holds", IdArguments)
def object_del(machine: Machine, which: IdArguments) -> Deferred[None]:
    return machine.remove("object", which.id)


@command("chardev-add", "make a chardev", Backend())
def chardev_add(machine: Machine, wanted: Definition) -> None:
    machine.add(wanted)


@command("chardev-remove", "close a chardev that nothing uses", IdArguments)
def chardev_remove(machine: Machine, which: IdArguments) -> Deferred[None]:
    return machine.remove("chardev", which.id)


@command("netdev_add", "make a netdev", Flat("netdev"))
def netdev_add(machine: Machine, wanted: Definition) -> None:
    machine.add(wanted)


@command("netdev_del", "close a netdev that has neither device nor filters", IdArguments)
def netdev_del(machine: Machine, which: IdArguments) -> Deferred[None]:
    return machine.remove("netdev", which.id)


@command("device_add", "plug a guest into a netdev: the model is 'driver'", Flat("device"))
def device_add(machine: Machine, wanted: Definition) -> None:
    machine.add(wanted)


@command("device_del", "unplug a guest", IdArguments)
def device_del(machine: Machine, which: IdArguments) -> Deferred[None]:
    return machine.remove("device", which.id)


@dataclass(frozen=True)
class LinkArguments:
    name: str = prop(Kind(), "a netdev's or a device's id")
    up: bool = prop(Boolean(), "whether frames pass")


@command("set_link", "let frames pass a netdev or a device, or none", LinkArguments)
def set_link(machine: Machine, wanted: LinkArguments) -> None:
    machine.set_link(wanted.name, wanted.up)


COMMANDS = (
    object_add,
    object_del,
    chardev_add,
    chardev_remove,
    netdev_add,
    netdev_del,
    device_add,
    device_del,
    set_link,
)

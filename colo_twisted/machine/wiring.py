"""From definitions to parts that are wired to each other; nothing is opened yet."""

from __future__ import annotations

from itertools import count

from colo_twisted.interfaces import IChardev, IFilter, IMachine, INetdev, IObject
from colo_twisted.machine.parts import Device, Parts
from colo_twisted.netdev.device import DeviceProperties, as_guest, guest_tap
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options.configuration import Configuration, Definition
from colo_twisted.options.errors import DuplicateId, NoSuchFilter, StartError


def build(configuration: Configuration, parts: Parts, machine: IMachine) -> None:
    """Make all that a configuration asks for. Raises StartError where it doesn't fit together."""
    for definition in configuration.of("chardev"):
        make_chardevs(definition, parts, machine)
    for definition in configuration.of("netdev"):
        make_netdev(definition, parts, machine)
    for definition in configuration.of("device"):
        make_device(definition, parts, machine)
    made = [make_object(definition, parts, machine) for definition in configuration.of("object")]
    line_up([new for new in made if IFilter.providedBy(new)], parts)
    for definition in configuration.of("mon"):
        monitor = definition.type.create(definition.properties, machine)
        parts.monitors[monitor.id] = monitor
        parts.definitions["mon", monitor.id] = definition


def make_chardevs(definition: Definition, parts: Parts, machine: IMachine) -> tuple[IChardev, ...]:
    """A chardev, or the two that one definition makes."""
    made = definition.type.create(definition.properties, machine)
    chardevs: tuple[IChardev, ...] = made if isinstance(made, tuple) else (made,)
    for chardev in chardevs:
        parts.chardevs[chardev.id] = chardev
        parts.definitions["chardev", chardev.id] = definition
    return chardevs


def make_netdev(definition: Definition, parts: Parts, machine: IMachine) -> INetdev:
    """A netdev with a chain of its own; a device that plugs it in as a guest takes that away again."""
    netdev: INetdev = definition.type.create(definition.properties, machine)
    parts.netdevs[netdev.id] = netdev
    parts.chains[netdev.id] = Chain(netdev, None)
    parts.definitions["netdev", netdev.id] = definition
    return netdev


# devices


def make_device(definition: Definition, parts: Parts, machine: IMachine) -> Device:
    """Plug a guest into a netdev. Raises StartError; nothing has changed then."""
    properties = definition.properties
    assert isinstance(properties, DeviceProperties)
    if properties.id in parts.devices:  # a device without an id was given it as its name
        raise DuplicateId("device", properties.id, parts.devices[properties.id].definition.source)
    chain = _chain_to_plug_into(definition, properties, parts)
    if properties.guest is None:
        guest: INetdev = _tap_for(definition, properties, parts, machine)
    else:
        guest = as_guest(_netdev_to_plug(definition, properties.guest, parts))
        del parts.chains[guest.id]
    chain.plug_in(guest, properties.mac)
    id = properties.id or (guest.id if properties.guest is None else _free_name(parts))
    device = parts.devices[id] = Device(id, definition, chain, guest, properties.guest is None)
    parts.definitions["device", id] = definition
    return device


def unmake_device(device: Device, parts: Parts) -> None:
    """Take a guest out again; a netdev that stays has a chain of its own then."""
    device.chain.unplug()
    if device.made:
        del parts.netdevs[device.guest.id]
    else:
        parts.chains[device.guest.id] = Chain(device.guest, None)
    del parts.devices[device.id]
    del parts.definitions["device", device.id]


def _chain_to_plug_into(definition: Definition, properties: DeviceProperties, parts: Parts) -> Chain:
    chain = parts.chains.get(properties.netdev)
    if chain is None:
        raise StartError(
            f"{definition.source}: property 'netdev': '{properties.netdev}' is a guest's, nothing plugs into it"
        )
    if chain.guest is not None:
        raise StartError(f"{definition.source}: property 'netdev': '{properties.netdev}' has a device (one each)")
    return chain


def _netdev_to_plug(definition: Definition, id: str, parts: Parts) -> INetdev:
    chain = parts.chains.get(id)
    if chain is None:
        raise StartError(f"{definition.source}: property 'guest': '{id}' is another device's guest")
    if chain.guest is not None or chain.filters:
        by = "a device plugs into it" if chain.guest is not None else f"filter '{chain.filters[0].id}' stands on it"
        raise StartError(f"{definition.source}: property 'guest': '{id}' can't be a guest's: {by}")
    return parts.netdevs[id]


def _tap_for(definition: Definition, properties: DeviceProperties, parts: Parts, machine: IMachine) -> INetdev:
    tap = guest_tap(properties, properties.id or _free_name(parts), machine)
    if tap.id in parts.netdevs:
        raise StartError(
            f"{definition.source}: the id '{tap.id}' is a netdev's too, and a TAP is to be made of that name"
        )
    parts.netdevs[tap.id] = tap
    return tap


def _free_name(parts: Parts) -> str:
    """NICn: n is how many devices stand before it, or the next number that is free."""
    return next(name for n in count(len(parts.devices)) if (name := f"NIC{n}") not in parts.devices)


# objects


def make_object(definition: Definition, parts: Parts, machine: IMachine) -> IObject:
    """An object; a filter has no place on its chain yet."""
    made: IObject = definition.type.create(definition.properties, machine)
    parts.objects[made.id] = made
    parts.definitions["object", made.id] = definition
    return made


def line_up(filters: list[IFilter], parts: Parts) -> None:
    """
    Filters take their places in order; one that names a later one waits until that stands.

    Raises StartError.
    """
    there = {"head", "tail"}
    there |= {f"id={known.id}" for chain in parts.chains.values() for known in chain.filters}
    waiting = filters
    while waiting:
        ready = [new for new in waiting if new.position in there]
        if not ready:
            lost = waiting[0]
            raise NoSuchFilter(
                f"-object ...,id={lost.id}: property 'position': there is no filter on netdev '{lost.netdev}'"
                f" that '{lost.position}' could stand for",
                lost.position.removeprefix("id="),
            )
        new = ready[0]
        if new.netdev not in parts.chains:
            raise StartError(
                f"-object ...,id={new.id}: property 'netdev': '{new.netdev}' is a guest's; filters stand on the other"
            )
        parts.chains[new.netdev].insert(new)
        there.add(f"id={new.id}")
        waiting = [other for other in waiting if other is not new]

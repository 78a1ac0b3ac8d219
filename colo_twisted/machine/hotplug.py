"""
Changes while the machine runs.

A part that comes is wired last; one that goes first passes on what has come to it, then what it holds. All that
happens to frames happens in one turn of the reactor: none goes by a place that is half changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, succeed

from colo_twisted.events import DeviceDeleted
from colo_twisted.interfaces import Direction, IChangeable, IChardev, IFilter, INetdev, IRetiring, IUser
from colo_twisted.link.addresses import is_by_number
from colo_twisted.link.reach import LinkOptions
from colo_twisted.machine import wiring
from colo_twisted.machine.parts import Device, Parts
from colo_twisted.netdev.tap_properties import TapProperties, up_script
from colo_twisted.options import declare
from colo_twisted.options.configuration import Configuration, Definition
from colo_twisted.options.errors import (
    InUse,
    NoSuchDescriptor,
    NotSettable,
    NotThere,
    OptionError,
    StartError,
    UnknownProperty,
)

if TYPE_CHECKING:
    from colo_twisted.machine.machine import Machine

SETTLE_SECONDS = 1.0  # what a removal waits at most for peers to take what the part had to send
_LOOK_SECONDS = 0.01


class Hotplug:
    """Adds to a machine, and takes from it."""

    def __init__(self, machine: Machine, configuration: Configuration) -> None:
        self._machine = machine
        self._parts: Parts = machine
        self._configuration = Configuration(configuration.types, list(configuration.definitions))

    @property
    def _flowing(self) -> bool:
        return self._machine.status == "running"

    # add

    def add(self, definition: Definition) -> None:
        """As Machine.add."""
        if self._machine.status == "shutdown":
            raise StartError(f"{definition.source}: this process is ending")
        _check_descriptor(definition)
        self._configuration.check_further(definition)
        _check_waits_for_nobody(definition)
        adders: dict[str, Callable[[Definition], None]] = {
            "chardev": self._add_chardevs,
            "netdev": self._add_netdev,
            "device": self._add_device,
            "object": self._add_object,
        }
        if definition.option not in adders:
            raise OptionError(f"{definition.source}: only at start")
        definition = _waiting_for_nobody(definition)
        adders[definition.option](definition)
        self._configuration.definitions.append(definition)

    def _add_chardevs(self, definition: Definition) -> None:
        made = wiring.make_chardevs(definition, self._parts, self._machine)
        with _undoing(lambda: self._forget_chardevs(made)):
            for chardev in made:
                chardev.open()
            for chardev in made:
                chardev.start()

    def _forget_chardevs(self, made: tuple[IChardev, ...]) -> None:
        for chardev in made:
            self._close(self._parts.chardevs.pop(chardev.id), "chardev")
            self._forget("chardev", chardev.id)

    def _add_netdev(self, definition: Definition) -> None:
        netdev = wiring.make_netdev(definition, self._parts, self._machine)
        chain = self._parts.chains[netdev.id]
        with _undoing(lambda: self._close_netdev(netdev)):
            netdev.open(chain.carries_vnet_hdr)
            chain.settle_offloads()
            if self._flowing:
                chain.start()

    def _close_netdev(self, netdev: INetdev) -> Deferred[Any]:
        """With its chain, which has no filters and no guest."""
        self._forget("netdev", netdev.id)
        del self._parts.netdevs[netdev.id], self._parts.chains[netdev.id]
        return self._close(netdev, "netdev")

    def _add_device(self, definition: Definition) -> None:
        device = wiring.make_device(definition, self._parts, self._machine)
        with _undoing(lambda: self._unplug(device)):
            if device.made:
                device.guest.open(device.chain.carries_vnet_hdr)
            device.chain.settle_offloads()
            device.chain.start_guest()

    def _add_object(self, definition: Definition) -> None:
        with _undoing(lambda: self._undo(definition)):
            made = wiring.make_object(definition, self._parts, self._machine)
            if IFilter.providedBy(made):
                wiring.line_up([made], self._parts)
            made.open()
        if self._flowing:
            self._machine.carefully(made.start, f"starting object '{made.id}'")
        self._tell_watchers()

    def _undo(self, definition: Definition) -> None:
        """Give back what a part of an object's making took: its chardevs were free before, by the check."""
        for chardev in self._chardevs_of(definition):
            chardev.detach()
        made = self._parts.objects.pop(definition.properties.id, None)
        if made is None:
            return
        chain = self._parts.chains.get(getattr(made, "netdev", ""))
        if chain is not None and made in chain.filters:
            chain.remove(made)
        self._close(made, "object")
        self._forget("object", made.id)

    # remove

    def remove(self, option: str, id: str) -> Deferred[None]:
        """As Machine.remove."""
        removers: dict[str, Callable[[str], Deferred[None]]] = {
            "chardev": self._remove_chardevs,
            "netdev": self._remove_netdev,
            "device": self._remove_device,
            "object": self._remove_object,
        }
        if option not in removers or (option, id) not in self._parts.definitions:
            raise NotThere(option, id)
        return removers[option](id)

    def _forget(self, option: str, id: str) -> Definition:
        definition = self._parts.definitions.pop((option, id))
        if definition in self._configuration.definitions:  # one that made two ids stands there once
            self._configuration.definitions.remove(definition)
        return definition

    def _remove_chardevs(self, id: str) -> Deferred[None]:
        """With its other end, if it is one of a pair."""
        ids = self._parts.definitions["chardev", id].ids
        for each in ids:
            front_end = self._parts.chardevs[each].front_end
            if front_end is not None:
                raise InUse("chardev", each, front_end.owner)
        closing = [self._close(self._parts.chardevs.pop(each), "chardev") for each in ids]
        for each in ids:
            self._forget("chardev", each)
        return _after(closing)

    def _remove_netdev(self, id: str) -> Deferred[None]:
        """With the filters that stand on it, as in QEMU."""
        for device in self._parts.devices.values():
            if id in (device.chain.network.id, device.guest.id):
                raise InUse("netdev", id, f"device '{device.id}'")
        chain = self._parts.chains[id]
        for known in chain.filters:
            self._refuse_if_used(known.id)
        removed = [self._remove_object(known.id) for known in list(chain.filters)]
        return _after([*removed, self._close_netdev(self._parts.netdevs[id])])

    def _remove_device(self, id: str) -> Deferred[None]:
        device = self._parts.devices[id]
        self._configuration.definitions.remove(device.definition)
        done = self._unplug(device)
        has_id = bool(device.definition.properties.id)
        path = f"/machine/peripheral{'' if has_id else '-anon'}/{id}"
        return done.addCallback(lambda _: self._machine.events.emit(DeviceDeleted(id if has_id else None, path)))

    def _unplug(self, device: Device) -> Deferred[None]:
        wiring.unmake_device(device, self._parts)
        done: Deferred[None] = succeed(None)
        if device.made:
            done = self._close(device.guest, "netdev")
        elif self._flowing:
            self._parts.chains[device.guest.id].start()
        device.chain.settle_offloads()
        return done

    def _remove_object(self, id: str) -> Deferred[None]:
        self._refuse_if_used(id)
        made = self._parts.objects[id]
        chardevs = self._chardevs_of(self._parts.definitions["object", id])
        for chardev in chardevs:
            chardev.drain()
        if IRetiring.providedBy(made):
            self._machine.carefully(IRetiring(made).retire, f"removing object '{id}'")
        self._machine.carefully(made.stop, f"stopping object '{id}'")
        for chardev in chardevs:
            chardev.detach()
        if IFilter.providedBy(made):
            self._parts.chains[made.netdev].remove(made)
        closing = self._close(made, "object")
        del self._parts.objects[id]
        self._forget("object", id)
        self._tell_watchers()
        return _after([closing, self._settled(chardevs)])

    def _refuse_if_used(self, id: str) -> None:
        for (option, user), definition in self._parts.definitions.items():
            if any(named == id for _, _, named in declare.references(definition.properties, "object")):
                raise InUse("object", id, f"{option} '{user}'")
        for user, made in self._parts.objects.items():
            if IUser.providedBy(made) and id in IUser(made).uses():
                raise InUse("object", id, f"object '{user}'")

    # change

    def change(self, id: str, name: str, value: Any) -> None:
        """As Machine.change."""
        made = self._parts.objects.get(id)
        if made is None:
            raise NotThere("object", id)
        definition = self._parts.definitions["object", id]
        known = {declaration.name: declaration for declaration in declare.declarations(definition.type.properties)}
        if name not in known:
            raise UnknownProperty(name, known)
        if not known[name].settable or not IChangeable.providedBy(made):
            settable = [each.name for each in known.values() if each.settable and IChangeable.providedBy(made)]
            raise NotSettable(name, settable)
        changed = dataclasses.replace(definition.properties, **{known[name].attribute: value})
        changed.check()
        IChangeable(made).change(changed)
        place = self._configuration.definitions.index(definition)
        new = dataclasses.replace(definition, properties=changed)
        self._configuration.definitions[place] = self._parts.definitions["object", id] = new

    def set_link(self, name: str, up: bool) -> None:
        """As Machine.set_link. A netdev's cable is its guest's too, as in QEMU."""
        chain = self._parts.chains.get(name)
        if chain is not None:
            chain.set_link(Direction.TX, up)
            chain.set_link(Direction.RX, up)
            return
        for device in self._parts.devices.values():
            if name in (device.id, device.guest.id):
                device.chain.set_link(Direction.RX, up)
                return
        raise NotThere("netdev", name)

    # what these share

    def _chardevs_of(self, definition: Definition) -> list[IChardev]:
        return [self._parts.chardevs[id] for _, _, id in declare.references(definition.properties, "chardev")]

    def _close(self, part: Any, kind: str) -> Deferred[Any]:
        return self._machine.carefully(part.close, f"closing {kind} '{part.id}'")

    def _tell_watchers(self) -> None:
        for watcher in list(self._machine.object_watchers):
            watcher()

    def _settled(self, chardevs: list[IChardev]) -> Deferred[None]:
        """Fires when peers have what was sent to them: what a client asks for next may cut the way behind it."""
        done: Deferred[None] = Deferred()
        self._look_whether_settled(chardevs, self._machine.monotonic() + SETTLE_SECONDS, done)
        return done

    def _look_whether_settled(self, chardevs: list[IChardev], until: float, done: Deferred[None]) -> None:
        waiting = [chardev for chardev in chardevs if not chardev.flush()]
        if not waiting or self._machine.monotonic() >= until:
            done.callback(None)
        else:
            self._machine.reactor.callLater(_LOOK_SECONDS, self._look_whether_settled, chardevs, until, done)


@contextmanager
def _undoing(undo: Callable[[], object]) -> Iterator[None]:
    """A context that takes back what was done when it can't be done wholly, whatever the reason."""
    try:
        yield
    except BaseException:
        undo()
        raise


def _check_descriptor(definition: Definition) -> None:
    """Refuse descriptors: whatever is open by now is something of ours."""
    fd = getattr(definition.properties, "fd", None)
    if fd is not None:
        raise NoSuchDescriptor(fd)


def _waiting_for_nobody(definition: Definition) -> Definition:
    """Only start-up waits for a server's first client."""
    properties: Any = definition.properties
    if not getattr(properties, "wait", False):
        return definition
    return dataclasses.replace(definition, properties=dataclasses.replace(properties, wait=False))


def _check_waits_for_nobody(definition: Definition) -> None:
    """Refuse what would hold up all frames while it is made: at the start there are none, and it may."""
    properties: Any = definition.properties
    if isinstance(properties, TapProperties) and (script := up_script(properties)) is not None:
        raise OptionError(
            f"property 'script': {script} would hold all frames up while it runs: script=no (or br=BRIDGE) while"
            " frames flow"
        )
    options = getattr(properties, "link_options", None)
    if isinstance(options, LinkOptions) and options.server and not is_by_number(options.address):
        raise OptionError(
            f"a name is asked for in the network, and all frames would wait: listen at an address by number;"
            f" got '{options.address}'"
        )


def _after(steps: list[Deferred[Any]]) -> Deferred[None]:
    """Fires when all steps are taken; none of them fails."""
    return DeferredList(steps).addCallback(lambda _: None)

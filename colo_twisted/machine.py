"""The running set: chardevs, netdevs with their chains, and objects, by id."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, gatherResults, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted import counters
from colo_twisted.interfaces import IChardev, IFilter, IMachine, INetdev, IObject
from colo_twisted.netdev.device import DeviceProperties, as_guest, guest_tap
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options.configuration import Configuration, Definition
from colo_twisted.options.errors import StartError
from colo_twisted.packets.build import compiled
from colo_twisted.reporting import Reporter

_log = Logger("colo_twisted")


@implementer(IMachine)
class Machine(Service):
    """
    Built and wired at once, without a side effect; opened, started and stopped as a Twisted service.

    Raises StartError where the parts don't fit together.
    """

    def __init__(
        self, configuration: Configuration, reactor: Any, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.reactor = reactor
        self.monotonic = monotonic
        self.chardevs: dict[str, IChardev] = {}
        self.netdevs: dict[str, INetdev] = {}
        self.chains: dict[str, Chain] = {}
        self.objects: dict[str, IObject] = {}
        self._report = Reporter("colo")
        self._starting: Deferred[Any] | None = None
        self._build(configuration)

    def chardev(self, id: str) -> IChardev:
        return self.chardevs[id]

    def chain(self, netdev: str) -> Chain:
        return self.chains[netdev]

    def object(self, id: str) -> IObject:
        return self.objects[id]

    def providers(self, interface: Any) -> list[Any]:
        return [made for made in self.objects.values() if interface.providedBy(made)]

    # build and wire

    def _build(self, configuration: Configuration) -> None:
        for definition in configuration.of("chardev"):
            made = definition.type.create(definition.properties, self)
            for chardev in made if isinstance(made, tuple) else (made,):
                self.chardevs[chardev.id] = chardev
        for definition in configuration.of("netdev"):
            self.netdevs[definition.properties.id] = definition.type.create(definition.properties, self)
        self._plug_in(list(configuration.of("device")))
        for definition in configuration.of("object"):
            self.objects[definition.properties.id] = definition.type.create(definition.properties, self)
        self._line_up([made for made in self.objects.values() if IFilter.providedBy(made)])

    def _plug_in(self, devices: list[Definition]) -> None:
        """A chain for each netdev that isn't a guest's, with the guest that a device puts behind it."""
        guests: dict[str, INetdev] = {}
        behind: set[str] = set()
        for index, definition in enumerate(devices):
            properties = definition.properties
            assert isinstance(properties, DeviceProperties)
            if properties.netdev in guests:
                raise StartError(
                    f"{definition.source}: property 'netdev': '{properties.netdev}' has a device (one each)"
                )
            if properties.guest is None:
                guests[properties.netdev] = self._made_for(definition, properties, index)
            elif properties.guest in behind:
                raise StartError(
                    f"{definition.source}: property 'guest': '{properties.guest}' is another device's guest"
                )
            else:
                guests[properties.netdev] = as_guest(self.netdevs[properties.guest])
                behind.add(properties.guest)
        for definition in devices:
            netdev_id = definition.properties.netdev  # type: ignore[attr-defined]
            if netdev_id in behind:
                raise StartError(
                    f"{definition.source}: property 'netdev': '{netdev_id}' is a guest's, nothing plugs into it"
                )
        for id, netdev in list(self.netdevs.items()):
            if id not in behind and netdev not in guests.values():
                self.chains[id] = Chain(netdev, guests.get(id))

    def _made_for(self, definition: Definition, properties: DeviceProperties, index: int) -> INetdev:
        tap = guest_tap(properties, index, self)
        if tap.id in self.netdevs:
            raise StartError(
                f"{definition.source}: the id '{tap.id}' is a netdev's too, and a TAP is to be made of that name"
            )
        self.netdevs[tap.id] = tap
        return tap

    def _line_up(self, filters: list[IFilter]) -> None:
        """Filters take their places in order; one that names a later one waits until that stands."""
        there = {"head", "tail"}
        waiting = filters
        while waiting:
            ready = [new for new in waiting if new.position in there]
            if not ready:
                lost = waiting[0]
                raise StartError(
                    f"-object ...,id={lost.id}: property 'position': there is no filter on netdev '{lost.netdev}'"
                    f" that '{lost.position}' could stand for"
                )
            new = ready[0]
            if new.netdev not in self.chains:
                raise StartError(
                    f"-object ...,id={new.id}: property 'netdev':"
                    f" '{new.netdev}' is a guest's; filters stand on the other"
                )
            self.chains[new.netdev].insert(new)
            there.add(f"id={new.id}")
            waiting = [other for other in waiting if other is not new]

    # open, start, stop

    def privilegedStartService(self) -> None:
        """
        Open all that needs privileges or can fail: listeners, TAPs with their scripts, files.

        Raises StartError, after giving back what was opened before.
        """
        super().privilegedStartService()
        try:
            for chardev in self.chardevs.values():
                chardev.open()
                if chardev.front_end is None:
                    self._report.warn(f"chardev '{chardev.id}' is used by nothing: no property names it")
            for chain in self.chains.values():
                self._open_ends(chain)
            for made in self.objects.values():
                made.open()
        except BaseException:
            self._stop_objects()
            self._close_all()
            raise

    def _open_ends(self, chain: Chain) -> None:
        for end in chain.ends:
            end.open(chain.carries_vnet_hdr)
        chain.settle_offloads()
        if chain.guest is None:
            self._report.warn(f"netdev '{chain.network.id}' has no guest: no -device names it")

    def startService(self) -> None:
        """Connect and, once the peers that start-up waits for are there, let the frames flow."""
        super().startService()
        waits = [wait for chardev in self.chardevs.values() if (wait := chardev.start()) is not None]
        self._starting = gatherResults(waits, consumeErrors=True).addCallback(lambda _: self._let_flow())
        self._starting.addErrback(lambda failure: _log.failure("start-up failed", failure))

    def _let_flow(self) -> None:
        if not self.running:
            return
        for made in self.objects.values():
            maybeDeferred(made.start).addErrback(self._failed, f"starting object '{made.id}'")
        for chain in self.chains.values():
            chain.start()
        self._report.info(f"running (packets {'compiled' if compiled() else 'not compiled: slower'})")

    def stopService(self) -> Deferred[Any]:
        """Stop the sources, hand on what objects hold, close, and say what was counted."""
        super().stopService()
        for netdev in self.netdevs.values():
            netdev.pause()
        self._stop_objects()
        return self._close_all().addCallback(lambda _: self.log_counters())

    def _stop_objects(self) -> None:
        for made in self.objects.values():
            maybeDeferred(made.stop).addErrback(self._failed, f"stopping object '{made.id}'")

    def _close_all(self) -> Deferred[Any]:
        parts: list[Any] = [*self.objects.values(), *self.netdevs.values(), *self.chardevs.values()]
        return DeferredList(
            [maybeDeferred(part.close).addErrback(self._failed, f"closing '{part.id}'") for part in parts]
        )

    def _failed(self, failure: Failure, what: str) -> None:
        """What one part can't do keeps no other from ending in order."""
        _log.failure("{what} failed", failure, what=what)

    # what was counted

    def counted(self) -> Iterator[tuple[str, counters.Counters]]:
        """Everything that counts, under its kind and id."""
        for id, chardev in self.chardevs.items():
            yield f"chardev {id}", chardev.counters
        for id, netdev in self.netdevs.items():
            yield f"netdev {id}", netdev.counters
        for id, chain in self.chains.items():
            yield f"chain {id}", chain.counters
        for id, made in self.objects.items():
            yield f"object {id}", made.counters

    def log_counters(self) -> None:
        """One table in the log, of what is not zero."""
        self._report.info("counters\n" + counters.table(self.counted()))

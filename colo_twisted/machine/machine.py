"""The whole as a Twisted service: its life from opening to the end, and what its parts ask of it."""

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
from colo_twisted.events import Events, Shutdown
from colo_twisted.failover.mode import ColoMode
from colo_twisted.interfaces import IChain, IChardev, IMachine, IObject
from colo_twisted.machine import wiring
from colo_twisted.machine.hotplug import Hotplug
from colo_twisted.machine.parts import Parts
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options.configuration import Configuration, Definition
from colo_twisted.packets.build import compiled
from colo_twisted.reporting import Reporter

_log = Logger("colo_twisted")


def time_since_boot() -> float:
    """In seconds; while the host is suspended it goes on: a right to speak that was lent for a while is over then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@implementer(IMachine)
class Machine(Parts, Service):
    """
    Built and wired at once, without a side effect; opened, started and stopped as a Twisted service.

    Raises StartError where the parts don't fit together.

    @ivar status: as QEMU's query-status: 'prelaunch' while start-up waits for peers, 'running', 'shutdown'.
    @ivar colo: QEMU's COLO mode.
    @ivar on_quit: what ends the service when a client says quit: it stops itself, unless an application knows better.
    """

    def __init__(
        self, configuration: Configuration, reactor: Any, monotonic: Callable[[], float] = time_since_boot
    ) -> None:
        super().__init__()
        self.reactor = reactor
        self.monotonic = monotonic
        self.events = Events()
        self.object_watchers: list[Callable[[], None]] = []
        self.name = configuration.name  # Service's, too
        self.registry = configuration.types
        self.status = "prelaunch"
        self.on_quit: Callable[[], Any] = self._stop
        self._report = Reporter("colo")
        self._starting: Deferred[Any] | None = None
        self._shutdown_told = False
        wiring.build(configuration, self, self)
        self.colo = ColoMode(self)
        self._hotplug = Hotplug(self, configuration)

    # what the parts ask

    def chardev(self, id: str) -> IChardev:
        return self.chardevs[id]

    def chain(self, netdev: str) -> Chain:
        return self.chains[netdev]

    def object(self, id: str) -> IObject:
        return self.objects[id]

    def providers(self, interface: Any) -> list[Any]:
        return [made for made in self.objects.values() if interface.providedBy(made)]

    def guests(self) -> list[tuple[str, str, IChain]]:
        return [(device.chain.network.id, device.id, device.chain) for device in self.devices.values()]

    # open, start, stop

    def privilegedStartService(self) -> None:
        """
        Open all that needs privileges or can fail: listeners, TAPs with their scripts, files.

        Raises StartError, after giving back what was opened before.
        """
        super().privilegedStartService()
        try:
            for part in (*self.chardevs.values(), *self.monitors.values()):
                part.open()
            for chardev in self.chardevs.values():
                if chardev.front_end is None:
                    self._report.warn(f"chardev '{chardev.id}' is used by nothing: no property names it")
            for chain in self.chains.values():
                self._open_ends(chain)
            for made in self.objects.values():
                made.open()
        except BaseException:
            self._stop_parts()
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
        for monitor in self.monitors.values():
            monitor.start()
        waits = [wait for chardev in self.chardevs.values() if (wait := chardev.start()) is not None]
        self._starting = gatherResults(waits, consumeErrors=True).addCallback(lambda _: self._let_flow())
        self._starting.addErrback(lambda failure: _log.failure("start-up failed", failure))

    def _let_flow(self) -> None:
        if not self.running:
            return
        self.status = "running"
        for made in self.objects.values():
            self.carefully(made.start, f"starting object '{made.id}'")
        for chain in self.chains.values():
            chain.start()
        self._report.info(f"running (packets {'compiled' if compiled() else 'not compiled: slower'})")

    def stopService(self) -> Deferred[Any]:
        """Stop the sources, hand on what objects hold, close, and say what was counted."""
        super().stopService()
        self.status = "shutdown"
        self._tell_shutdown("host-signal")
        for netdev in self.netdevs.values():
            netdev.pause()
        self._stop_parts()
        return self._close_all().addCallback(lambda _: self.log_counters())

    def _stop_parts(self) -> None:
        for made in (*self.objects.values(), *self.monitors.values()):
            self.carefully(made.stop, f"stopping '{made.id}'")

    def _close_all(self) -> Deferred[Any]:
        every: list[Any] = [
            *self.objects.values(),
            *self.netdevs.values(),
            *self.monitors.values(),
            *self.chardevs.values(),
        ]
        return DeferredList([self.carefully(part.close, f"closing '{part.id}'") for part in every])

    def carefully(self, step: Callable[[], Any], what: str) -> Deferred[Any]:
        """Take a step of one part's life; that it can't keeps no other from going on."""
        return maybeDeferred(step).addErrback(self._failed, what)

    def _failed(self, failure: Failure, what: str) -> None:
        _log.failure("{what} failed", failure, what=what)

    def quit(self) -> None:
        """End in order, as a client asks."""
        self._tell_shutdown("host-qmp-quit")
        self.on_quit()

    def _tell_shutdown(self, reason: str) -> None:
        if not self._shutdown_told:
            self._shutdown_told = True
            self.events.emit(Shutdown(False, reason))

    def _stop(self) -> None:
        if self.running:
            self.stopService()

    # changes while it runs

    def add(self, definition: Definition) -> None:
        """Make, open and start one more part. Raises OptionError, StartError; nothing is left behind then."""
        self._hotplug.add(definition)

    def remove(self, option: str, id: str) -> Deferred[None]:
        """
        Take a part out; what it holds is handed on.

        @return: fires when that has gone on and all is given back.
        @raise OptionError: NotThere, or InUse.
        """
        return self._hotplug.remove(option, id)

    def change(self, id: str, name: str, value: Any) -> None:
        """Give an object's property another value. Raises OptionError: NotThere, NotSettable or what it says."""
        self._hotplug.change(id, name, value)

    def set_link(self, name: str, up: bool) -> None:
        """Pull the cable of a netdev or device out, or plug it in. Raises NotThere."""
        self._hotplug.set_link(name, up)

    # what was counted

    def counted(self) -> Iterator[tuple[str, counters.Counters]]:
        """Everything that counts, under its kind and id."""
        kinds: dict[str, dict[str, Any]] = {
            "chardev": self.chardevs,
            "netdev": self.netdevs,
            "chain": self.chains,
            "object": self.objects,
            "monitor": self.monitors,
        }
        for kind, every in kinds.items():
            for id, part in every.items():
                yield f"{kind} {id}", part.counters

    def log_counters(self) -> None:
        """One table in the log, of what is not zero."""
        self._report.info("counters\n" + counters.table(self.counted()))

"""``colo-passthrough``: a rule that lets flows go uncompared, for as long as the object is there."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import IComparer, IMachine, IObject
from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.options.kinds import IPProtocol, Network, PortRange, Reference
from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.ip import PROTOCOL_TCP, PROTOCOL_UDP
from colo_twisted.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class PassthroughProperties(Properties):
    """What a packet from the network to the guest must have; what is not set may be anything."""

    compare: str | None = prop(Reference("object"), "the colo-compare that it is for; not set: all", default=None)
    protocol: int | None = prop(IPProtocol(), "what IP carries; not set: any", default=None)
    source: IPv4Network | IPv6Network | None = prop(Network(), "whom the guest speaks to", default=None)
    source_port: range | None = prop(PortRange(), "their TCP or UDP port", default=None, name="source-port")
    destination: IPv4Network | IPv6Network | None = prop(Network(), "the guest's address", default=None)
    destination_port: range | None = prop(PortRange(), "the guest's port", default=None, name="destination-port")

    def check(self) -> None:
        for name, ports in (("source-port", self.source_port), ("destination-port", self.destination_port)):
            if ports is not None and self.protocol not in (None, PROTOCOL_TCP, PROTOCOL_UDP):
                raise OptionError(
                    f"property '{name}' goes with protocol=tcp, udp or any;"
                    f" got protocol={IPProtocol().format(self.protocol)}"
                )
        if self.source and self.destination and self.source.version != self.destination.version:
            raise OptionError("properties 'source' and 'destination' must both be IPv4 or both IPv6")


@implementer(IObject)
class Passthrough:
    """Gives its rule to comparers, to those too that come while it runs, and takes it back when it stops."""

    def __init__(self, properties: PassthroughProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.rule = Rule(
            properties.protocol,
            properties.source,
            properties.destination,
            properties.source_port,
            properties.destination_port,
        )
        self._compare = properties.compare
        self._machine = machine
        self._comparers: list[IComparer] = []  # those that have it
        self._report = Reporter(f"colo-passthrough {self.id}")

    def open(self) -> None:
        if self._compare is not None and not IComparer.providedBy(self._machine.object(self._compare)):
            raise StartError(
                f"-object colo-passthrough,id={self.id}: property 'compare': '{self._compare}' is no colo-compare"
            )

    def start(self) -> None:
        self._machine.object_watchers.append(self._look)
        self._look()
        if not self._comparers:
            self._report.warn("there is no colo-compare that the rule could be for")

    def _look(self) -> None:
        """Give it to those that have come; those that have gone have taken it with them."""
        there = self._machine.providers(IComparer)
        if self._compare is not None:
            there = [comparer for comparer in there if comparer.id == self._compare]
        had, self._comparers = self._comparers, there
        for comparer in there:
            if comparer not in had:
                comparer.add_passthrough(self.id, self.rule)

    def stop(self) -> None:
        if self._look in self._machine.object_watchers:
            self._machine.object_watchers.remove(self._look)
        for comparer in self._comparers:
            comparer.remove_passthrough(self.id)
        self._comparers = []

    def close(self) -> None:
        """Nothing was opened."""


COLO_PASSTHROUGH = ObjectType("colo-passthrough", "lets flows go uncompared", PassthroughProperties, Passthrough)

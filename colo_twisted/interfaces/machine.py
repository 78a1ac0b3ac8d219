"""The whole, as its parts see it, and the types that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import Attribute, Interface

from colo_twisted.events import Events
from colo_twisted.interfaces.frames import IChardev
from colo_twisted.interfaces.objects import IChain, IObject


class IMachine(Interface):
    """The running set, as those that belong to it see it."""

    status: str = Attribute("As QEMU's query-status: 'prelaunch' until frames flow, 'running', 'shutdown'.")
    reactor: Any = Attribute("The reactor.")
    monotonic: Callable[[], float] = Attribute("The time in seconds, whatever becomes of the wall clock.")
    events: Events = Attribute("Where to tell what happens.")
    objects: Mapping[str, IObject] = Attribute("All objects by id, once all are built.")
    object_watchers: list[Callable[[], None]] = Attribute("Each is called when an object was added or removed.")

    def chardev(id: str) -> IChardev:
        """The chardev of that id. The options were checked: there is one."""

    def chain(netdev: str) -> IChain:
        """The chain of a netdev. The options were checked: there is one."""

    def object(id: str) -> IObject:
        """The object of that id, once all are built. The options were checked: there is one."""

    def providers(interface: type[Interface]) -> list[Any]:
        """All objects that provide an interface, once all are built."""

    def guests() -> list[tuple[str, str, IChain]]:
        """The guests that are plugged in: each one's netdev and device by id, and its chain."""

    def change(id: str, name: str, value: Any) -> None:
        """
        Give an object's property another value.

        @raise OptionError: NotThere, NotSettable or what the object says.
        """


class IObjectType(Interface):
    """
    A type that -object can make; those of -chardev, -netdev and -device are described alike.

    A package adds one for -object as a Twisted plugin: a file in its own ``twisted/plugins/`` directory with an
    instance of ``colo_twisted.options.ObjectType``, which provides this interface.
    """

    name: str = Attribute("What the option string begins with.")
    summary: str = Attribute("A few words for help.")
    properties: type[Any] = Attribute("A subclass of colo_twisted.options.Properties that declares what it takes.")

    def create(properties: Any, machine: IMachine) -> Any:
        """
        Make one, with no side effect outside the machine yet.

        @param properties: an instance of C{self.properties}.
        @return: a provider of IObject; of IFilter for one that stands on a netdev. (A chardev's type returns an
            IChardev or a tuple of them, a netdev's an INetdev.)
        @raise StartError: the machine's other parts don't fit.
        """

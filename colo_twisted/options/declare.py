"""
Typed property declarations.

The properties of a type are a frozen dataclass whose fields are made by ``prop``::

    @dataclass(frozen=True, kw_only=True)
    class MirrorProperties(FilterProperties):
        outdev: str = prop(Reference("chardev"), "where each packet's copy goes")

From that one place come parsing, defaults, ``TYPE,help``, printing, and what error messages allow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twisted.plugin import IPlugin
from zope.interface import implementer

from colo_twisted.interfaces import IMachine, IObjectType
from colo_twisted.options.errors import MissingProperty, OptionError, UnknownProperty, WrongValue
from colo_twisted.options.keyval import Pairs
from colo_twisted.options.kinds import Boolean, Identifier, Ignored, Kind, Only, OnlyOff, Reference

_REQUIRED: Any = dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class Declaration:
    """
    One property: its name on the command line, kind, default, and one line of help.

    ``settable``: its value can be changed while the object is there.
    """

    name: str
    attribute: str
    kind: Kind
    default: Any
    help: str
    settable: bool = False

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED

    def parse(self, text: str) -> Any:
        """The typed value. Raises OptionError, naming the property and what is allowed."""
        try:
            return self.kind.parse(text)
        except ValueError as error:
            raise WrongValue(self.name, self.kind.allowed, text, str(error)) from None


def prop(kind: Kind, help: str, *, default: Any = _REQUIRED, name: str | None = None, settable: bool = False) -> Any:
    """A dataclass field that is a property; ``name`` where the command line's isn't the attribute's."""
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help, "name": name, "settable": settable})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Properties:
    """What every type has."""

    id: str = prop(Identifier(), "the name by which other options refer to it")

    def check(self) -> None:
        """Raise OptionError where single properties are allowed but not together."""

    def check_host(self) -> None:
        """Raise OptionError where this host can't do it: files, names, rights."""

    def also_makes(self) -> tuple[str, ...]:
        """Further ids that this definition makes beside its own."""
        return ()

    def claims(self) -> tuple[str, ...]:
        """What no other definition can have too, each in words: 'interface tap0', 'descriptor 5'."""
        return ()


P = TypeVar("P", bound=Properties)


def declarations(properties: type[Any]) -> Iterator[Declaration]:
    """The declared properties of a dataclass whose fields are made by prop, in order, common ones first."""
    for field in dataclasses.fields(properties):
        meta = field.metadata
        name = meta["name"] or field.name
        yield Declaration(name, field.name, meta["kind"], field.default, meta["help"], meta["settable"])


def parse(properties: type[P], pairs: Pairs) -> P:
    """
    Typed properties from (key, value) pairs; the last of equal keys counts, as in QEMU.

    Raises OptionError.
    """
    known = {declaration.name: declaration for declaration in declarations(properties)}
    values: dict[str, Any] = {}
    for key, text in pairs:
        name, value = (key, text) if key is not None else _short_form(text, known)
        declaration = known.get(name)
        if declaration is None:
            raise UnknownProperty(name, known)
        values[declaration.attribute] = declaration.parse(value)
    for declaration in known.values():
        if declaration.required and declaration.attribute not in values:
            raise MissingProperty(declaration.name, declaration.kind.allowed)
    parsed = properties(**values)
    parsed.check()
    return parsed


def _short_form(word: str, known: dict[str, Declaration]) -> tuple[str, str]:
    """``server`` is server=on, ``nowait`` is wait=off."""
    for name, value in ((word, "on"), (word.removeprefix("no"), "off")):
        if name in known and isinstance(known[name].kind, (Boolean, OnlyOff)):
            return name, value
    if word in known:
        raise OptionError(f"property '{word}' has no value: {word}= takes {known[word].kind.allowed}")
    raise UnknownProperty(word, known)


def unparse(properties: Properties) -> Pairs:
    """The pairs that parse to these properties; those at their defaults are left out."""
    return [
        (declaration.name, declaration.kind.format(value))
        for declaration in declarations(type(properties))
        if (value := getattr(properties, declaration.attribute)) != declaration.default
    ]


def references(properties: Properties, what: str = "") -> Iterator[tuple[Declaration, str, str]]:
    """Each property that names something ('chardev', 'netdev', 'object'; ``what`` for those only), what, and its id."""
    for declaration in declarations(type(properties)):
        kind = declaration.kind
        value = getattr(properties, declaration.attribute)
        if isinstance(kind, Reference) and value is not None and what in ("", kind.what):
            yield declaration, kind.what, value


def help_lines(properties: type[Properties]) -> Iterator[str]:
    """A line a property: name, what is allowed, default, what it does."""
    useless = (Only, OnlyOff, Ignored)  # refused, or taken without effect: these come last
    for declaration in sorted(declarations(properties), key=lambda known: isinstance(known.kind, useless)):
        if declaration.required:
            default = "required"
        elif declaration.default in (None, ""):
            default = "not set"
        else:
            default = f"default {declaration.kind.format(declaration.default)}"
        yield f"  {declaration.name}=  {declaration.help} ({declaration.kind.allowed}; {default})"


@implementer(IPlugin, IObjectType)
@dataclasses.dataclass(frozen=True)
class ObjectType:
    """A type of object, netdev or chardev: what the option string names, and what makes it from its properties."""

    name: str
    summary: str
    properties: type[Properties]
    create: Callable[[Any, IMachine], Any]

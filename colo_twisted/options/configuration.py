"""What the options ask for, as one checked set: ids are unique, references lead somewhere, the host can do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from colo_twisted.interfaces import IObjectType
from colo_twisted.options import declare
from colo_twisted.options.errors import DuplicateId, NoSuchReference, OptionError, TakenChardev


class Types(Protocol):
    """Where types are found by option and name."""

    def find(self, option: str, name: str) -> IObjectType:
        """Raises OptionError."""

    def all(self, option: str) -> Mapping[str, IObjectType]: ...


@dataclass(frozen=True)
class Definition:
    """One thing to be made: by which option (without dash), of which type, with what; and the words it was given in."""

    option: str
    type: IObjectType
    properties: declare.Properties
    source: str

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.properties.id, *self.properties.also_makes()) if self.properties.id else ()


@dataclass
class Configuration:
    """All definitions, in the order of the command line; where their types come from; and the name of the whole."""

    types: Types
    definitions: list[Definition] = field(default_factory=list)
    name: str | None = None

    def of(self, option: str) -> Iterator[Definition]:
        """The definitions that an option gave, in order."""
        return (definition for definition in self.definitions if definition.option == option)

    def check(self) -> None:
        """Raise OptionError for the first definition that doesn't fit with the others or with this host."""
        for others, definition in enumerate(self.definitions):
            with blaming(definition.source):
                self._check_ids(definition, self.definitions[:others])
        for others, definition in enumerate(self.definitions):
            with blaming(definition.source):
                self._check_rest(definition, self.definitions[:others])

    def check_further(self, new: Definition) -> None:
        """Raise OptionError if one more definition doesn't fit with these, which stand already, or with this host."""
        self._check_ids(new, self.definitions)
        self._check_rest(new, self.definitions)

    def _check_ids(self, new: Definition, others: Iterable[Definition]) -> None:
        for other in others:
            if other.option == new.option:
                for id in new.ids:
                    if id in other.ids:
                        raise DuplicateId(new.option, id, other.source)

    def _check_rest(self, new: Definition, others: list[Definition]) -> None:
        self._check_references(new)
        taken = {id: user for other in others for id, _, user in _chardevs(other)}
        for id, name, user in _chardevs(new):
            if taken.setdefault(id, user) != user:
                raise TakenChardev(name, id, taken[id])
        claimed = {claim: other.source for other in others for claim in other.properties.claims()}
        for claim in new.properties.claims():
            if claim in claimed:
                raise OptionError(f"{claim} is taken by {claimed[claim]}")
        new.properties.check_host()

    def _check_references(self, new: Definition) -> None:
        for declaration, what, id in declare.references(new.properties):
            made = {known for definition in self.of(what) for known in definition.ids}
            if id not in made:
                raise NoSuchReference(declaration.name, what, id, made)


def _chardevs(definition: Definition) -> Iterator[tuple[str, str, str]]:
    """Each chardev that a definition takes for itself, for which property, and that in words."""
    for declaration, _, id in declare.references(definition.properties, "chardev"):
        yield id, declaration.name, f"property '{declaration.name}' of '{definition.properties.id}'"


class blaming:
    """A context in which an OptionError's text is led by the words that caused it."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, _: object) -> None:
        if isinstance(error, OptionError):
            raise error.blaming(self.source) from None

"""What the options ask for, as one checked set: ids are unique, references lead somewhere, the host can do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from colo_twisted.interfaces import IObjectType
from colo_twisted.options import declare
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import one_of


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
    """All definitions, in the order of the command line."""

    definitions: list[Definition] = field(default_factory=list)

    def of(self, option: str) -> Iterator[Definition]:
        """The definitions that an option gave, in order."""
        return (definition for definition in self.definitions if definition.option == option)

    def check(self) -> None:
        """Raise OptionError for the first definition that doesn't fit with the others or with this host."""
        made = self._made()
        used: dict[str, str] = {}  # chardev id: which property has it
        claimed: dict[str, str] = {}  # what one definition alone can have: the source that has it
        for definition in self.definitions:
            with blaming(definition.source):
                for declaration, id in declare.references(definition.properties):
                    what = declaration.kind.what  # type: ignore[attr-defined]
                    if id not in made[what]:
                        raise OptionError(
                            f"property '{declaration.name}': there is no {what} '{id}'"
                            f" (there are: {one_of(made[what])})"
                        )
                    if what == "chardev":
                        user = f"property '{declaration.name}' of '{definition.properties.id}'"
                        if used.setdefault(id, user) != user:
                            raise OptionError(
                                f"property '{declaration.name}': chardev '{id}' is taken by {used[id]}"
                                " (a chardev serves one property only)"
                            )
                for claim in definition.properties.claims():
                    if claim in claimed:
                        raise OptionError(f"{claim} is taken by {claimed[claim]}")
                    claimed[claim] = definition.source
                definition.properties.check_host()

    def _made(self) -> dict[str, dict[str, str]]:
        """What exists: option, then id, then the source that makes it."""
        made: dict[str, dict[str, str]] = {"chardev": {}, "netdev": {}, "device": {}, "object": {}}
        for definition in self.definitions:
            for id in definition.ids:
                with blaming(definition.source):
                    if id in made[definition.option]:
                        raise OptionError(f"the id '{id}' is taken by {made[definition.option][id]}")
                made[definition.option][id] = definition.source
        return made


class blaming:
    """A context in which an OptionError's text is led by the words that caused it."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, _: object) -> None:
        if isinstance(error, OptionError):
            raise OptionError(f"{self.source}: {error}") from None

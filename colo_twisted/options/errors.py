"""What can be wrong with what an operator wrote, or with the machine that it names: one line each."""

from __future__ import annotations

from collections.abc import Iterable


def _one_line(text: str) -> str:
    """The text with whatever can't be printed (a line's end, a terminal's commands) spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_of(items: Iterable[str]) -> str:
    """'a, b, c' in order, for messages that list what there is."""
    return ", ".join(sorted(items)) or "none"


class _OneLineError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(_one_line(text))


class StartError(_OneLineError):
    """Something that the options name can't be opened; the text is one line that names it and why."""


class NoSuchFilter(StartError):
    """A filter is to stand beside ``id``, which isn't on its netdev."""

    def __init__(self, text: str, id: str) -> None:
        super().__init__(text)
        self.id = id


class OptionError(_OneLineError):
    """
    An option can't be taken; the text is one line that names it, the property and what is allowed.

    Subclasses say what is wrong in attributes too, for those who must say it in other words.
    """

    def blaming(self, source: str) -> OptionError:
        """The same error, its text led by the words that caused it."""
        blamed = type(self).__new__(type(self))
        blamed.__dict__.update(self.__dict__)
        blamed.args = (f"{_one_line(source)}: {self}",)
        return blamed


class UnknownProperty(OptionError):
    """There is no property ``name``."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no property '{name}' (there are: {one_of(known)})")
        self.name = name


class MissingProperty(OptionError):
    """Property ``name`` is required."""

    def __init__(self, name: str, allowed: str) -> None:
        super().__init__(f"property '{name}' is missing: {allowed}")
        self.name = name


class WrongValue(OptionError):
    """Property ``name`` takes what is ``allowed``, in words, and not ``got``."""

    def __init__(self, name: str, allowed: str, got: str, detail: str = "") -> None:
        super().__init__(f"property '{name}' takes {allowed}; got '{got}'" + (f" ({detail})" if detail else ""))
        self.name, self.allowed, self.got = name, allowed, got


class UnknownType(OptionError):
    """An option (without dash) has no type ``name``."""

    def __init__(self, option: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no type '{name}' (there are: {one_of(known)})")
        self.option, self.name = option, name


class NoSuchReference(OptionError):
    """A property names a chardev, netdev or object (``what``) that isn't there."""

    def __init__(self, property: str, what: str, id: str, known: Iterable[str]) -> None:
        super().__init__(f"property '{property}': there is no {what} '{id}' (there are: {one_of(known)})")
        self.property, self.what, self.id = property, what, id


class TakenChardev(OptionError):
    """A property names a chardev that serves another one already: ``by``, in words."""

    def __init__(self, property: str, id: str, by: str) -> None:
        super().__init__(f"property '{property}': chardev '{id}' is taken by {by} (a chardev serves one property only)")
        self.property, self.id, self.by = property, id, by


class NoSuchDescriptor(OptionError):
    """An inherited descriptor is named when none can be inherited any more."""

    def __init__(self, fd: int) -> None:
        super().__init__(f"property 'fd': descriptors are inherited at the start only; got '{fd}'")
        self.fd = fd


class DuplicateId(OptionError):
    """An id is in use among what an option makes: by ``by``, in words."""

    def __init__(self, option: str, id: str, by: str) -> None:
        super().__init__(f"the id '{id}' is taken by {by}")
        self.option, self.id, self.by = option, id, by


class NotThere(OptionError):
    """There is nothing of that id among what an option makes."""

    def __init__(self, option: str, id: str) -> None:
        super().__init__(f"there is no {option} '{id}'")
        self.option, self.id = option, id


class InUse(OptionError):
    """Something can't be removed: ``by``, in words, works with it."""

    def __init__(self, option: str, id: str, by: str) -> None:
        super().__init__(f"{option} '{id}' is in use by {by}")
        self.option, self.id, self.by = option, id, by


class NotSettable(OptionError):
    """Property ``name`` keeps its value for as long as the object is there."""

    def __init__(self, name: str, settable: Iterable[str]) -> None:
        super().__init__(f"property '{name}' can't be changed while it runs (these can: {one_of(settable)})")
        self.name = name
        self.settable = sorted(settable)

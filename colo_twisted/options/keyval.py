"""
QEMU's lists of keys and values: ``socket,id=c0,path=/tmp/a,,b,server``.

Elements are separated by commas, a comma inside a value is doubled. Only the first element may be
a value without a key (the type); later ones without ``=`` are boolean short forms, left to the
declarations to judge.
"""

from __future__ import annotations

from collections.abc import Iterable

Pairs = list[tuple[str | None, str]]


def split(text: str) -> Pairs:
    """The (key, value) pairs in order; key is None where there was no ``=``. Blanks round an element are dropped."""
    pairs: Pairs = []
    for element in _elements(text):
        key, equals, value = element.strip().partition("=")
        if equals:
            pairs.append((key.strip(), value))
        elif key:
            pairs.append((None, key))
    return pairs


def join(pairs: Iterable[tuple[str | None, str]]) -> str:
    """The inverse of split."""
    return ",".join((value if key is None else f"{key}={value}").replace(",", ",,") for key, value in pairs)


def _elements(text: str) -> list[str]:
    elements: list[str] = []
    element = ""
    at = 0
    while at < len(text):
        comma = text.find(",", at)
        if comma < 0:
            break
        element += text[at:comma]
        if text[comma + 1 : comma + 2] == ",":
            element += ","
            at = comma + 2
        else:
            elements.append(element)
            element = ""
            at = comma + 1
    elements.append(element + text[at:])
    return elements

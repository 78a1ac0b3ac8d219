"""From the words of a command line to a checked configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from colo_twisted import __version__
from colo_twisted.options import declare
from colo_twisted.options.configuration import Configuration, Definition, Types, blaming
from colo_twisted.options.errors import OptionError
from colo_twisted.options.keyval import Pairs, join, split
from colo_twisted.options.kinds import Ignored, Text
from colo_twisted.options.monitors import QMP_OPTIONS, qmp_pairs
from colo_twisted.options.readconfig import read_sections

# option, and the key that its first, keyless element stands for
TYPE_KEYS = {"chardev": "backend", "netdev": "type", "device": "driver", "object": "qom-type"}
GROUPS = (*TYPE_KEYS, "mon", "name")  # what a file for -readconfig may have
OPTIONS = (*GROUPS, *QMP_OPTIONS, "readconfig")
_SPELLINGS = {"chrdev": "chardev"}  # the COLO-proxy document's

USAGE = """\
Usage: twistd [options] colo [OPTION VALUE]...

QEMU's COLO-proxy as a service. Options are QEMU's, with one dash or two, each any number of times:
  -chardev TYPE,id=ID[,...]         a connection that carries frames (-chrdev is taken too)
  -netdev TYPE,id=ID[,...]          a cable to the network, or to a guest
  -device MODEL,netdev=ID[,...]     plugs a guest in: guest=NETDEV, or a TAP of the device's id
  -object TYPE,id=ID[,...]          filters, in the order of the chain
  -qmp unix:PATH,server=on,wait=off   control by QMP, as QEMU's; or tcp:HOST:PORT (-qmp-pretty: indented)
  -mon chardev=ID,mode=control      the same at a chardev of its own
  -name NAME                        what query-name says
  -readconfig FILE                  the same options from a file in QEMU's form
  -help                             this text; OPTION help and OPTION TYPE,help say more
  -version                          which version this is
twistd's own options (-n to stay in the foreground, --pidfile, --logfile, --uid, ...) stand before 'colo'.

Example (the primary of a pair):
  twistd -n colo -netdev tap,id=hn0,br=br0 -device e1000,id=e0,netdev=hn0 \\
    -chardev socket,id=mirror0,host=10.22.1.2,port=9003,server,nowait \\
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0
"""


class HelpWanted(Exception):
    """Help was asked for; the text is what to print."""


def parse_arguments(arguments: Sequence[str], types: Types) -> Configuration:
    """
    The configuration that the arguments ask for.

    Raises OptionError for the first thing wrong with them, HelpWanted where they ask for help.
    """
    reader = _Reader(types)
    for option, text in _options(arguments):
        reader.read(option, text)
    configuration = reader.configuration
    if not configuration.definitions:
        raise OptionError("there is nothing to do: give options, or -readconfig FILE (see twistd colo -help)")
    configuration.check()
    return configuration


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option's name, in its proper spelling, with its value."""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        name = _SPELLINGS.get(name, name)
        if not word.startswith("-"):
            raise OptionError(f"'{word}' is not an option (options begin with a dash; see twistd colo -help)")
        if name in ("help", "h", "?"):
            raise HelpWanted(USAGE)
        if name == "version":
            raise HelpWanted(f"colo_twisted {__version__}")
        if name not in OPTIONS:
            allowed = ", ".join(f"-{known}" for known in (*OPTIONS, "help"))
            raise OptionError(f"{word}: there is no such option (there are: {allowed})")
        if not equals:
            if not rest or rest[0].startswith("-"):
                raise OptionError(f"{word}: a value must follow (see twistd colo -help)")
            value = rest.pop(0)
        while rest and (rest[0].startswith(",") or (value.endswith(",") and not rest[0].startswith("-"))):
            value += rest.pop(0)  # the COLO-proxy document writes 'socket ,id=id'
        yield name, value


def _pairs(text: str) -> Pairs:
    if not text.startswith("{"):
        return split(text)
    try:
        return list(_flattened(json.loads(text)))
    except (ValueError, RecursionError) as error:
        raise OptionError(f"not JSON: {error}") from None


def _flattened(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """QEMU's JSON form of an option as pairs: inner objects become dotted keys."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flattened(inner, f"{prefix}{key}.")
        elif isinstance(inner, bool):
            yield prefix + key, "on" if inner else "off"
        elif isinstance(inner, (str, int, float)):
            yield prefix + key, str(inner)
        else:
            raise OptionError(
                f"property '{prefix}{key}' takes a JSON string, number or boolean; got {json.dumps(inner)}"
            )


@dataclass(frozen=True, kw_only=True)
class Name(declare.Properties):
    """What -name takes."""

    id: str = declare.prop(Ignored(), "taken", default="")
    guest: str = declare.prop(Text("a name"), "what query-name says")
    process: str = declare.prop(Ignored(), "taken", default="")
    debug_threads: str = declare.prop(Ignored(), "taken", default="", name="debug-threads")


class _Reader:
    """Adds what each option asks for to a configuration."""

    def __init__(self, types: Types) -> None:
        self.configuration = Configuration(types)
        self._types = types
        self._qmp_count = 0

    def read(self, option: str, text: str) -> None:
        """One option. Raises OptionError, HelpWanted."""
        if option == "readconfig":
            self._read_file(text)
            return
        source = f"-{option} {text}"
        with blaming(source):
            if option in QMP_OPTIONS:
                self._read_qmp(option, text, source)
            else:
                self._add(option, _pairs(text), source)

    def _add(self, option: str, pairs: Pairs, source: str) -> None:
        if option == "name":
            self.configuration.name = declare.parse(Name, _with_first("guest", pairs)).guest
        else:
            self.configuration.definitions.append(_define(option, pairs, source, self._types))

    def _read_qmp(self, option: str, text: str, source: str) -> None:
        if text == "none":
            return
        chardev, monitor = qmp_pairs(option, text, self._qmp_count)
        self._qmp_count += 1
        self._add("chardev", [("backend", "socket"), *chardev], source)
        self._add("mon", monitor, source)

    def _read_file(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, ValueError) as error:
            raise OptionError(f"-readconfig {path}: {getattr(error, 'strerror', None) or error}") from None
        for section in read_sections(text, f"-readconfig {path}"):
            source = f"-readconfig {path}:{section.line}: [{section.option}] {join(section.pairs)}"
            with blaming(source):
                if section.option not in GROUPS:
                    raise OptionError(f"there is no such group (there are: {', '.join(GROUPS)})")
                self._add(section.option, section.pairs, source)


def _define(option: str, pairs: Pairs, source: str, types: Types) -> Definition:
    if option == "mon":
        name, rest = "control", _with_first("chardev", pairs)
    else:
        name, rest = _type_of(option, pairs)
    if name == "help":
        raise HelpWanted(_list_of(option, types))
    found = types.find(option, name)
    if (None, "help") in rest:
        title = f"-{option} {name}" if option in TYPE_KEYS else f"-{option}"
        raise HelpWanted(f"{title}: {found.summary}\n" + "\n".join(declare.help_lines(found.properties)))
    return Definition(option, found, declare.parse(found.properties, rest), source)


def _with_first(key: str, pairs: Pairs) -> Pairs:
    """The pairs, the key given to a first element that has none."""
    if pairs and pairs[0][0] is None and pairs[0][1] != "help":
        return [(key, pairs[0][1]), *pairs[1:]]
    return pairs


def _type_of(option: str, pairs: Pairs) -> tuple[str, Pairs]:
    type_key = TYPE_KEYS[option]
    for index, (key, value) in enumerate(pairs):
        if key == type_key or (key is None and index == 0):
            return value, pairs[:index] + pairs[index + 1 :]
    raise OptionError(f"the type is missing: -{option} TYPE,... (-{option} help lists them)")


def _list_of(option: str, types: Types) -> str:
    known = types.all(option)
    width = max(map(len, known))
    return f"-{option} TYPE,id=ID,...; the types:\n" + "\n".join(
        f"  {name:<{width}}  {known[name].summary}" for name in sorted(known)
    )

"""Command lines as an operator types them."""

from __future__ import annotations

import shlex

from colo_twisted.options.commandline import HelpWanted, parse_arguments
from colo_twisted.options.configuration import Configuration
from colo_twisted.options.declare import Properties
from colo_twisted.options.errors import OptionError
from colo_twisted.registry import Registry

# The COLO-proxy document's lines: the primary's chardev as option, a mirror with all it needs, and the secondary's
PRIMARY = """
    -netdev tap,id=hn0,vhost=off,script=no,downscript=no
    -device e1000,id=e0,netdev=hn0,mac=52:a4:00:12:78:66
    -chardev socket,id=mirror0,host=10.22.1.2,port=9003,server,nowait
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0
"""
SECONDARY = """
    -netdev tap,id=hn0,vhost=off,script=no,downscript=no
    -device e1000,netdev=hn0,mac=52:a4:00:12:78:66
    -chardev socket,id=red0,host=10.22.1.2,port=9003
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0
"""
# the full proxy's lines of the primary, but for what comes with a later version
FULL = """
    -netdev tap,id=hn0,ifname=tap0,script=no,downscript=no
    -netdev stream,id=g0,server=on,addr.type=unix,addr.path=/tmp/g0
    -device virtio-net-pci,id=e0,netdev=hn0,guest=g0
    -chardev socket,id=mirror0,host=10.22.1.2,port=9003,server=on,wait=off
    -chardev socket,id=compare1,host=10.22.1.2,port=9004,server=on,wait=on
    -chardev pair,id=compare0,peer=compare0-0
    -chardev pair,id=compare_out,peer=compare_out0
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0
    -object filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out
    -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0,insert=before,position=id=redire0
    -object filter-drop,id=gate,netdev=hn0,status=off,position=id=late
    -object filter-buffer,id=late,netdev=hn0,interval=1000,position=head
    -object iothread,id=iothread1
"""


def parse(line: str) -> Configuration:
    """What the words of a line ask for."""
    return parse_words(*shlex.split(line))


def parse_words(*words: str) -> Configuration:
    return parse_arguments(words, Registry())


def error_of(*words: str) -> str:
    """The error's text."""
    try:
        parse_words(*words)
    except OptionError as error:
        return str(error)
    raise AssertionError(f"no error: {words}")


def help_of(*words: str) -> str:
    """The help that is printed."""
    try:
        parse_words(*words)
    except HelpWanted as help:
        return str(help)
    raise AssertionError(f"no help: {words}")


def only(configuration: Configuration) -> Properties:
    """The properties of the one definition that there is."""
    (definition,) = configuration.definitions
    return definition.properties


def gist(configuration: Configuration) -> list[tuple[str, str, Properties]]:
    """What counts of the definitions: not the words that they were given in."""
    return [(each.option, each.type.name, each.properties) for each in configuration.definitions]


def options_of(line: str) -> list[tuple[str, str]]:
    """The options of a line of options and values, as pairs."""
    words = shlex.split(line)
    return list(zip(words[::2], words[1::2]))

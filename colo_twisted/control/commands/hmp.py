"""human-monitor-command: QEMU's answers for people, as far as its tools and its users read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from colo_twisted.control.commands.declare import command
from colo_twisted.control.commands.qom_tree import Node, find, tree
from colo_twisted.control.commands.query import filename, interface_name
from colo_twisted.control.commands.whole import version
from colo_twisted.control.errors import QMPError
from colo_twisted.machine import Device, Machine
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options import json_values
from colo_twisted.options.configuration import Definition
from colo_twisted.options.declare import declarations, prop
from colo_twisted.options.kinds import Integer, Kind

Lines = Iterator[str]


@dataclass(frozen=True)
class LineArguments:
    command_line: str = prop(Kind(), "as typed to QEMU's monitor: 'info network'", name="command-line")
    cpu_index: int | None = prop(Integer(0, 0), "there is no CPU to name", default=None, name="cpu-index")


@command("human-monitor-command", "QEMU's monitor for people: 'help' lists what it knows", LineArguments)
def human_monitor_command(machine: Machine, typed: LineArguments) -> str:
    return "".join(f"{line}\r\n" for line in _answer(machine, typed.command_line.split()))


def _answer(machine: Machine, words: list[str]) -> Lines:
    if not words:
        return
    found = [known for known in _KNOWN if known.words == words[: len(known.words)]]
    if not found:
        named = " ".join(words[:2] if words[0] == "info" else words[:1])
        yield f"unknown command: '{named}'"
        return
    known = max(found, key=lambda each: len(each.words))
    arguments = words[len(known.words) :]
    if known is _INFO and arguments:
        yield f"unknown command: 'info {arguments[0]}'"
    elif len(arguments) > known.most:
        yield f"{known.words[-1]}: extraneous characters at the end of line"
        yield f'Try "help {" ".join(known.words)}" for more information'
    else:
        yield from known.does(machine, arguments)


@dataclass(frozen=True)
class _Known:
    """A command for people: its words, then at most so many arguments."""

    words: list[str]
    arguments: str
    most: int
    help: str
    does: Callable[[Machine, list[str]], Lines]

    @property
    def line(self) -> str:
        return f"{' '.join(self.words)} {self.arguments} -- {self.help}"


# help


def _help(machine: Machine, topic: list[str]) -> Lines:
    if topic == ["info"] or not topic:
        wanted = [known for known in _KNOWN if (known.words[0] == "info" and len(known.words) == 2) == bool(topic)]
    else:
        wanted = [known for known in _KNOWN if known.words == topic]
    if not wanted:
        yield f"unknown command: '{' '.join(topic)}'"
    yield from (known.line for known in wanted)


def _info(machine: Machine, _: list[str]) -> Lines:
    return _help(machine, ["info"])


# info


def _version(machine: Machine, _: list[str]) -> Lines:
    known = version()
    yield f"{known.qemu.major}.{known.qemu.minor}.{known.qemu.micro} ({known.package})"


def _name(machine: Machine, _: list[str]) -> Lines:
    if machine.name is not None:
        yield machine.name


def _status(machine: Machine, _: list[str]) -> Lines:
    paused = "" if machine.status == "running" else f"paused ({machine.status})"
    yield f"VM status: {paused or 'running'}"


def _chardevs(machine: Machine, _: list[str]) -> Lines:
    for id, chardev in machine.chardevs.items():
        yield f"{id}: filename={chardev.filename}"


def _network(machine: Machine, _: list[str]) -> Lines:
    """A device stands before the netdev that it plugs into, the guest's behind it; then the filters."""
    devices = {device.chain: device for device in machine.devices.values()}
    for chain in machine.chains.values():
        yield from _chain(machine, chain, devices.get(chain))


def _chain(machine: Machine, chain: Chain, device: Device | None) -> Lines:
    network = f"{chain.network.id}: {_netdev(machine, chain.network.id)}"
    if device is None:
        yield network
    else:
        address = (chain.guest_address or bytes(6)).hex(":")
        yield f"{device.id}: index=0,type=nic,model={device.definition.type.name},macaddr={address}"
        yield f" \\ {network}"
        yield f" \\ {device.guest.id}: {_netdev(machine, device.guest.id)}"
    if chain.filters:
        yield "filters:"
    for known in chain.filters:
        yield f"  - {known.id}: {_filter(machine.definitions['object', known.id])}"


def _netdev(machine: Machine, id: str) -> str:
    """Its type, and where it leads; a TAP that came with its device has no definition."""
    definition = machine.definitions.get(("netdev", id))
    netdev = machine.netdevs[id]
    ifname = interface_name(netdev)
    leads = filename(netdev) or ("" if ifname is None else f"ifname={ifname}")
    return f"index=0,type={'tap' if definition is None else definition.type.name},{leads}"


def _filter(definition: Definition) -> str:
    texts = [f"type={definition.type.name}"]
    for declaration in declarations(definition.type.properties):
        value = json_values.to_json(declaration.kind, getattr(definition.properties, declaration.attribute))
        if value is not None and declaration.name != "id":
            texts.append(f"{declaration.name}={str(value).lower() if isinstance(value, bool) else value}")
    return ",".join(texts)


def _qom_tree(machine: Machine, arguments: list[str]) -> Lines:
    path = arguments[0] if arguments else "/"
    try:
        node = find(tree(machine), path)
    except QMPError:
        yield f"Path '{path}' could not be resolved."
        return
    yield f"{path} ({node.type})"
    yield from _below(node, "  ")


def _below(node: Node, indent: str) -> Lines:
    for child in sorted(node.children.values(), key=lambda each: each.name):
        yield f"{indent}/{child.name} ({child.type})"
        yield from _below(child, f"{indent}  ")


_INFO = _Known(["info"], "[subcommand]", 0, "show various information", _info)
_KNOWN = [
    _Known(["help"], "[cmd]", 2, "show the help", _help),
    _INFO,
    _Known(["info", "chardev"], "", 0, "show the chardevs", _chardevs),
    _Known(["info", "name"], "", 0, "show what -name said", _name),
    _Known(["info", "network"], "", 0, "show the netdevs, devices and filters", _network),
    _Known(["info", "qom-tree"], "[path]", 1, "show the tree of objects", _qom_tree),
    _Known(["info", "status"], "", 0, "show whether frames flow", _status),
    _Known(["info", "version"], "", 0, "show the version", _version),
]

COMMANDS = (human_monitor_command,)

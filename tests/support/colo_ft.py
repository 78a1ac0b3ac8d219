"""
What QEMU's docs/COLO-FT.txt has an operator type, as far as it concerns the proxy.

The commands stand here as they stand there, byte for byte. Of the command lines the TAPs and $primary_ip are the
tests' own, and what isn't the proxy's (disks, migration) is left out.
"""
# ruff: noqa: E501  the document's lines are as long as they are

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Procedures:
    """
    Command lines and commands for a node's monitor.

    ``primary_failover`` ends, and ``secondary_failover`` begins, with x-colo-lost-heartbeat.
    """

    primary: str
    secondary: str  # with {primary_ip}
    primary_failover: tuple[str, ...]
    primary_resume: tuple[str, ...]
    secondary_failover: tuple[str, ...]
    secondary_resume: tuple[str, ...]


DOCUMENTED = Procedures(
    primary="""
        -name primary
        -chardev socket,id=mirror0,host=0.0.0.0,port=9003,server,nowait
        -chardev socket,id=compare1,host=0.0.0.0,port=9004,server,wait
        -chardev socket,id=compare0,host=127.0.0.1,port=9001,server,nowait
        -chardev socket,id=compare0-0,host=127.0.0.1,port=9001
        -chardev socket,id=compare_out,host=127.0.0.1,port=9005,server,nowait
        -chardev socket,id=compare_out0,host=127.0.0.1,port=9005
        -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0
        -object filter-redirector,netdev=hn0,id=redire0,queue=rx,indev=compare_out
        -object filter-redirector,netdev=hn0,id=redire1,queue=rx,outdev=compare0
        -object iothread,id=iothread1
        -object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,iothread=iothread1
    """,
    secondary="""
        -name secondary
        -chardev socket,id=red0,host={primary_ip},port=9003,reconnect=1
        -chardev socket,id=red1,host={primary_ip},port=9004,reconnect=1
        -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0
        -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1
        -object filter-rewriter,id=rew0,netdev=hn0,queue=all
    """,
    primary_failover=(
        "{'execute': 'object-del', 'arguments':{ 'id': 'comp0' } }",
        "{'execute': 'object-del', 'arguments':{ 'id': 'iothread1' } }",
        "{'execute': 'object-del', 'arguments':{ 'id': 'm0' } }",
        "{'execute': 'object-del', 'arguments':{ 'id': 'redire0' } }",
        "{'execute': 'object-del', 'arguments':{ 'id': 'redire1' } }",
        "{'execute': 'x-colo-lost-heartbeat' }",
    ),
    primary_resume=(
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'filter-mirror', 'id': 'm0', 'props': { 'netdev': 'hn0', 'queue': 'tx', 'outdev': 'mirror0' } } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'filter-redirector', 'id': 'redire0', 'props': { 'netdev': 'hn0', 'queue': 'rx', 'indev': 'compare_out' } } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'filter-redirector', 'id': 'redire1', 'props': { 'netdev': 'hn0', 'queue': 'rx', 'outdev': 'compare0' } } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'iothread', 'id': 'iothread1' } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'colo-compare', 'id': 'comp0', 'props': { 'primary_in': 'compare0-0', 'secondary_in': 'compare1', 'outdev': 'compare_out0', 'iothread': 'iothread1' } } }",
    ),
    secondary_failover=(
        "{'execute': 'x-colo-lost-heartbeat'}",
        "{'execute': 'object-del', 'arguments':{ 'id': 'f2' } }",
        "{'execute': 'object-del', 'arguments':{ 'id': 'f1' } }",
        "{'execute': 'chardev-remove', 'arguments':{ 'id': 'red1' } }",
        "{'execute': 'chardev-remove', 'arguments':{ 'id': 'red0' } }",
        "{'execute': 'chardev-add', 'arguments':{ 'id': 'mirror0', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '0.0.0.0', 'port': '9003' } }, 'server': true } } } }",
        "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare1', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '0.0.0.0', 'port': '9004' } }, 'server': true } } } }",
        "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare0', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '127.0.0.1', 'port': '9001' } }, 'server': true } } } }",
        "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare0-0', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '127.0.0.1', 'port': '9001' } }, 'server': false } } } }",
        "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare_out', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '127.0.0.1', 'port': '9005' } }, 'server': true } } } }",
        "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare_out0', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '127.0.0.1', 'port': '9005' } }, 'server': false } } } }",
    ),
    secondary_resume=(
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'filter-mirror', 'id': 'm0', 'props': { 'insert': 'before', 'position': 'id=rew0', 'netdev': 'hn0', 'queue': 'tx', 'outdev': 'mirror0' } } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'filter-redirector', 'id': 'redire0', 'props': { 'insert': 'before', 'position': 'id=rew0', 'netdev': 'hn0', 'queue': 'rx', 'indev': 'compare_out' } } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'filter-redirector', 'id': 'redire1', 'props': { 'insert': 'before', 'position': 'id=rew0', 'netdev': 'hn0', 'queue': 'rx', 'outdev': 'compare0' } } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'iothread', 'id': 'iothread1' } }",
        "{'execute': 'object-add', 'arguments':{ 'qom-type': 'colo-compare', 'id': 'comp0', 'props': { 'primary_in': 'compare0-0', 'secondary_in': 'compare1', 'outdev': 'compare_out0', 'iothread': 'iothread1' } } }",
    ),
)


# ours: pairs for the loopback sockets, a colo-peer, a gate that keeps the network off the secondary's guest, and vnet
# headers everywhere

_PAIRS_FOR_SOCKETS = (
    "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare0', 'backend': {'type': 'pair', 'data': {'peer': 'compare0-0' } } } }",
    "{'execute': 'chardev-add', 'arguments':{ 'id': 'compare_out', 'backend': {'type': 'pair', 'data': {'peer': 'compare_out0' } } } }",
)
_GATE_AND_PEER_GO = (
    "{'execute': 'object-del', 'arguments':{ 'id': 'gate0' } }",
    "{'execute': 'object-del', 'arguments':{ 'id': 'cp0' } }",
    "{'execute': 'chardev-remove', 'arguments':{ 'id': 'peer0' } }",
)
_PEER_COMES = (
    "{'execute': 'chardev-add', 'arguments':{ 'id': 'peer0', 'backend': {'type': 'socket', 'data': {'addr': { 'type': 'inet', 'data': { 'host': '0.0.0.0', 'port': '9005' } }, 'server': true } } } }",
    "{'execute': 'object-add', 'arguments':{ 'qom-type': 'colo-peer', 'id': 'cp0', 'chardev': 'peer0', 'role': 'primary' } }",
)


def _carrying(commands: Iterable[str]) -> tuple[str, ...]:
    """The same, with vnet headers on all chardevs."""
    places = ("'netdev': 'hn0'", "'primary_in': 'compare0-0'")
    return tuple(_after(command, places, ", 'vnet_hdr_support': true") for command in commands)


def _after(text: str, places: Iterable[str], more: str) -> str:
    for place in places:
        text = text.replace(place, place + more)
    return text


OURS = Procedures(
    primary="""
        -chardev socket,id=mirror0,host=0.0.0.0,port=9003,server,nowait
        -chardev socket,id=compare1,host=0.0.0.0,port=9004,server,nowait
        -chardev socket,id=peer0,host=0.0.0.0,port=9005,server,nowait
        -chardev pair,id=compare0,peer=compare0-0
        -chardev pair,id=compare_out,peer=compare_out0
        -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0,vnet_hdr_support
        -object filter-redirector,netdev=hn0,id=redire0,queue=rx,indev=compare_out,vnet_hdr_support
        -object filter-redirector,netdev=hn0,id=redire1,queue=rx,outdev=compare0,vnet_hdr_support
        -object iothread,id=iothread1
        -object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,iothread=iothread1,vnet_hdr_support
        -object colo-peer,id=cp0,chardev=peer0,role=primary
    """,
    secondary="""
        -chardev socket,id=red0,host={primary_ip},port=9003,reconnect=1
        -chardev socket,id=red1,host={primary_ip},port=9004,reconnect=1
        -chardev socket,id=peer0,host={primary_ip},port=9005,reconnect=1
        -object filter-drop,id=gate0,netdev=hn0,queue=tx
        -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0,vnet_hdr_support
        -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1,vnet_hdr_support
        -object filter-rewriter,id=rew0,netdev=hn0,queue=all,vnet_hdr_support
        -object colo-peer,id=cp0,chardev=peer0,role=secondary
    """,
    primary_failover=DOCUMENTED.primary_failover,
    primary_resume=_carrying(DOCUMENTED.primary_resume),
    secondary_failover=(*DOCUMENTED.secondary_failover[:7], *_PAIRS_FOR_SOCKETS, *_GATE_AND_PEER_GO),
    secondary_resume=(*_PEER_COMES, *_carrying(DOCUMENTED.secondary_resume)),
)


def staged(options: str) -> str:
    """The same, with all filters off."""
    words = options.split()
    return " ".join(word + ",status=off" * word.startswith("filter-") for word in words)


def switched_on(*ids: str) -> list[str]:
    """The commands that switch filters on."""
    return [
        f"{{'execute': 'qom-set', 'arguments': {{'path': '/objects/{id}', 'property': 'status', 'value': 'on'}} }}"
        for id in ids
    ]

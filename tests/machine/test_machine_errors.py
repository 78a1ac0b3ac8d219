"""What shows only when the parts are wired or opened: a StartError of one line, and no trace of the attempt."""

from __future__ import annotations

import os
from typing import Any

import pytest
from twisted.internet.task import Clock

from colo_twisted.machine import Machine
from colo_twisted.netdev import tap_properties
from colo_twisted.options.errors import StartError
from tests.options.lines import FULL, PRIMARY, SECONDARY, parse

NETDEVS = """
    -netdev socket,id=hn0,connect=h:1 -netdev socket,id=hn1,connect=h:2
    -netdev socket,id=g0,connect=h:3 -netdev socket,id=g1,connect=h:4
"""

# the options beside NETDEVS, and the error
WRONG: dict[str, tuple[str, str]] = {
    "a second device on a netdev": (
        "-device e1000,id=e0,netdev=hn0 -device e1000,id=e1,netdev=hn0",
        "-device e1000,id=e1,netdev=hn0: property 'netdev': 'hn0' has a device (one each)",
    ),
    "a second device on a netdev, with guests": (
        "-device e1000,netdev=hn0,guest=g0 -device e1000,netdev=hn0,guest=g1",
        "-device e1000,netdev=hn0,guest=g1: property 'netdev': 'hn0' has a device (one each)",
    ),
    "a guest of two devices": (
        "-device e1000,netdev=hn0,guest=g0 -device e1000,netdev=hn1,guest=g0",
        "-device e1000,netdev=hn1,guest=g0: property 'guest': 'g0' is another device's guest",
    ),
    "guests in a circle": (
        "-device e1000,netdev=hn0,guest=hn1 -device e1000,netdev=hn1,guest=hn0",
        "-device e1000,netdev=hn1,guest=hn0: property 'netdev': 'hn1' is a guest's, nothing plugs into it",
    ),
    "guests in a circle of three": (
        "-device e1000,netdev=hn0,guest=hn1 -device e1000,netdev=hn1,guest=g0 -device e1000,netdev=g0,guest=hn0",
        "-device e1000,netdev=hn1,guest=g0: property 'netdev': 'hn1' is a guest's, nothing plugs into it",
    ),
    "a device on a guest": (
        "-device e1000,netdev=hn0,guest=g0 -device e1000,id=e1,netdev=g0",
        "-device e1000,id=e1,netdev=g0: property 'netdev': 'g0' is a guest's, nothing plugs into it",
    ),
    "a device on a guest, given first": (
        "-device e1000,id=e1,netdev=g0 -device e1000,netdev=hn0,guest=g0",
        "-device e1000,netdev=hn0,guest=g0: property 'guest': 'g0' can't be a guest's: a device plugs into it",
    ),
    "a device of a netdev's id": (
        "-device e1000,id=hn1,netdev=hn0",
        "-device e1000,id=hn1,netdev=hn0: the id 'hn1' is a netdev's too, and a TAP is to be made of that name",
    ),
    "a device of its own netdev's id": (
        "-device e1000,id=hn0,netdev=hn0",
        "-device e1000,id=hn0,netdev=hn0: the id 'hn0' is a netdev's too, and a TAP is to be made of that name",
    ),
    "a netdev of a device's default name": (
        "-netdev socket,id=NIC0,connect=h:5 -device e1000,netdev=hn0",
        "-device e1000,netdev=hn0: the id 'NIC0' is a netdev's too, and a TAP is to be made of that name",
    ),
    "a filter on a guest": (
        "-device e1000,netdev=hn0,guest=g0 -object filter-drop,id=d0,netdev=g0",
        "-object ...,id=d0: property 'netdev': 'g0' is a guest's; filters stand on the other",
    ),
    "a position by an unknown filter": (
        "-object filter-drop,id=d0,netdev=hn0,position=id=x0",
        "-object ...,id=d0: property 'position': there is no filter on netdev 'hn0' that 'id=x0' could stand for",
    ),
    "a position by itself": (
        "-object filter-drop,id=d0,netdev=hn0,position=id=d0",
        "-object ...,id=d0: property 'position': there is no filter on netdev 'hn0' that 'id=d0' could stand for",
    ),
    "positions in a circle": (
        "-object filter-drop,id=d0,netdev=hn0,position=id=d1 -object filter-drop,id=d1,netdev=hn0,position=id=d0",
        "-object ...,id=d0: property 'position': there is no filter on netdev 'hn0' that 'id=d1' could stand for",
    ),
    "a position by an object that is no filter": (
        "-object iothread,id=i0 -object filter-drop,id=d0,netdev=hn0,position=id=i0",
        "-object ...,id=d0: property 'position': there is no filter on netdev 'hn0' that 'id=i0' could stand for",
    ),
    "a position by a filter on another netdev": (
        "-object filter-drop,id=d1,netdev=hn1 -object filter-drop,id=d0,netdev=hn0,position=id=d1",
        "-object ...,id=d0: property 'position': netdev 'hn0' has no filter 'd1'",
    ),
    "a pair with vnet headers at one end": (
        "-chardev pair,id=a,peer=b -object filter-mirror,id=m0,netdev=hn0,outdev=a,vnet_hdr_support"
        " -object filter-redirector,id=f1,netdev=hn1,indev=b",
        "chardevs 'b' and 'a' are a pair: vnet_hdr_support must be the same for filter-redirector 'f1'"
        " and filter-mirror 'm0'",
    ),
}


@pytest.fixture(autouse=True)
def any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which TAPs could be opened: nothing here opens one."""
    monkeypatch.setattr(tap_properties, "DEVICE", os.devnull)


def descriptors() -> set[str]:
    """What this process has open."""
    return set(os.listdir("/proc/self/fd"))


def start_error(line: str, clock: Any) -> str:
    with pytest.raises(StartError) as raised:
        Machine(parse(line), clock)
    return str(raised.value)


@pytest.mark.parametrize(("line", "message"), WRONG.values(), ids=list(WRONG))
def test_parts_that_do_not_fit_are_named_and_nothing_is_opened(line: str, message: str) -> None:
    clock = Clock()  # it has no sockets: whoever tried to listen or connect would fail otherwise
    before = descriptors()
    assert start_error(NETDEVS + line, clock) == message
    assert message.isprintable()
    assert clock.getDelayedCalls() == []
    assert descriptors() == before


@pytest.mark.parametrize("line", [PRIMARY, SECONDARY, FULL])
def test_wiring_what_fits_opens_nothing_either(line: str) -> None:
    clock = Clock()
    before = descriptors()
    Machine(parse(line), clock)
    assert clock.getDelayedCalls() == []
    assert descriptors() == before


@pytest.mark.parametrize(
    ("chardev", "message"),
    [
        (
            "socket,id=c0,host=a..b,port=1,server",
            "chardev c0: cannot listen on tcp:a..b:1: encoding with 'idna' codec failed",
        ),
        (
            "socket,id=c0,host=127.0.0.1,port=1,server,ipv6=on",
            "chardev c0: cannot listen on tcp:127.0.0.1:1: the host has no address of a family that is allowed",
        ),
    ],
)
def test_an_address_that_cannot_be_one_is_named_when_it_is_opened(chardev: str, message: str) -> None:
    clock = Clock()
    clock.running = False  # type: ignore[attr-defined] # as the reactor's at that time
    machine = Machine(parse(f"-chardev {chardev}"), clock)
    with pytest.raises(StartError) as raised:
        machine.privilegedStartService()
    assert str(raised.value).startswith(message)
    assert clock.getDelayedCalls() == []

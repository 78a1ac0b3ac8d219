"""-object colo-passthrough: what it takes, and to whom it gives its rule."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer
from zope.interface.verify import verifyObject

from colo_twisted.counters import Counters
from colo_twisted.interfaces import IComparer, IMachine, IObject
from colo_twisted.machine import Machine
from colo_twisted.options import ObjectType, OptionError, Properties, StartError
from colo_twisted.options.commandline import parse_arguments
from colo_twisted.options.errors import InUse
from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.page import Page
from tests.support.house import House, Types


@implementer(IComparer)
class FakeComparer:
    """Has the rules that it was given, and nothing else."""

    state, reason, since = "joining", "", 0.0
    held_packets = held_bytes = 0
    checkpoint_phase = None

    def __init__(self, properties: Properties, machine: IMachine) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.rules: dict[str, Rule] = {}

    def add_passthrough(self, id: str, rule: Rule) -> None:
        self.rules[id] = rule

    def remove_passthrough(self, id: str) -> None:
        del self.rules[id]

    def channels(self) -> list[tuple[str, bool]]:
        return []

    def connections(self, start: int, most: int) -> Page:
        return Page([], 0)

    def request_checkpoint(self, reason: str) -> None: ...

    def run_alone(self, reason: str) -> None: ...

    def open(self) -> None: ...

    start = stop = close = open


TYPES = Types({"object": (ObjectType("colo-compare", "a FakeComparer", Properties, FakeComparer),)})
TWO = "-object colo-compare,id=comp0 -object colo-compare,id=comp1 "


def a_house(line: str) -> House:
    return House(line, types=TYPES)


def rule_of(properties: str) -> Rule:
    """The rule that these properties make."""
    rule = a_house(f"-object colo-passthrough,id=p0{properties}").object("p0").rule
    assert isinstance(rule, Rule)
    return rule


def error_of(properties: str) -> str:
    with pytest.raises(OptionError) as caught:
        rule_of(properties)
    return str(caught.value)


def test_fake_and_real_keep_their_promises() -> None:
    house = a_house("-object colo-compare,id=comp0 -object colo-passthrough,id=p0")
    assert verifyObject(IComparer, house.object("comp0"))
    assert verifyObject(IObject, house.object("p0"))


@pytest.mark.parametrize(
    ("properties", "rule"),
    [
        ("", Rule()),
        (",protocol=any", Rule()),
        (",protocol=tcp,destination-port=3389", Rule(6, destination_ports=range(3389, 3390))),
        (",protocol=udp,source-port=5000-5010", Rule(17, source_ports=range(5000, 5011))),
        (",protocol=icmp,source=192.0.2.0/24", Rule(1, source=ip_network("192.0.2.0/24"))),
        (",protocol=icmpv6,destination=fd00::2", Rule(58, destination=ip_network("fd00::2/128"))),
        (",protocol=132", Rule(132)),
        (",source-port=53", Rule(source_ports=range(53, 54))),
    ],
)
def test_properties_make_a_rule(properties: str, rule: Rule) -> None:
    assert rule_of(properties) == rule


@pytest.mark.parametrize("protocol", ["icmp", "icmpv6", "132"])
@pytest.mark.parametrize("port", ["source-port", "destination-port"])
def test_ports_go_with_tcp_and_udp(protocol: str, port: str) -> None:
    assert error_of(f",protocol={protocol},{port}=80") == (
        f"-object colo-passthrough,id=p0,protocol={protocol},{port}=80: property '{port}' goes with"
        f" protocol=tcp, udp or any; got protocol={protocol}"
    )


def test_networks_are_of_one_version() -> None:
    assert error_of(",source=10.0.0.0/8,destination=fd00::/8").endswith(
        "properties 'source' and 'destination' must both be IPv4 or both IPv6"
    )


def test_a_network_with_an_address_in_it_is_refused_with_the_network() -> None:
    assert error_of(",source=10.1.2.3/8").endswith("; got '10.1.2.3/8' (that address lies in 10.0.0.0/8)")


def test_the_rule_is_with_all_comparers_while_it_runs() -> None:
    house = a_house(TWO + "-object colo-passthrough,id=p0,protocol=udp -object colo-passthrough,id=p1").start()
    for comparer in ("comp0", "comp1"):
        assert house.object(comparer).rules == {"p0": Rule(17), "p1": Rule()}
    house.object("p0").stop()
    house.object("p0").stop()
    for comparer in ("comp0", "comp1"):
        assert house.object(comparer).rules == {"p1": Rule()}
    house.machine.stopService()
    assert house.object("comp0").rules == {}


@pytest.mark.parametrize("first", [True, False])
def test_the_rule_is_with_the_comparer_that_it_names_only(first: bool) -> None:
    rule = "-object colo-passthrough,id=p0,compare=comp1 "
    house = a_house(rule + TWO if first else TWO + rule).start()
    assert (house.object("comp0").rules, house.object("comp1").rules) == ({}, {"p0": Rule()})


def test_a_comparer_that_comes_later_gets_it_once_and_one_that_goes_is_let_go() -> None:
    house = a_house("-object colo-compare,id=comp0 -object colo-passthrough,id=p0,protocol=udp").start()
    house.add("object", "colo-compare,id=comp1")
    first, second = house.object("comp0"), house.object("comp1")
    assert second.rules == {"p0": Rule(17)}
    first.rules.clear()
    house.machine.remove("object", "comp1")
    house.add("object", "colo-compare,id=comp2")
    assert (first.rules, house.object("comp2").rules) == ({}, {"p0": Rule(17)})
    second.rules.clear()
    house.machine.remove("object", "comp0")
    house.machine.remove("object", "p0")
    assert house.object("comp2").rules == {}
    house.add("object", "colo-compare,id=comp3")
    assert house.object("comp3").rules == {}


def test_one_that_comes_while_it_runs_is_with_all_that_there_are() -> None:
    house = a_house(TWO).start()
    house.add("object", "colo-passthrough,id=p0,compare=comp1")
    house.add("object", "colo-passthrough,id=p1")
    assert (house.object("comp0").rules, house.object("comp1").rules) == ({"p1": Rule()}, {"p0": Rule(), "p1": Rule()})
    with pytest.raises(InUse):
        house.machine.remove("object", "comp1")
    house.machine.remove("object", "p0")
    house.machine.remove("object", "comp1")
    assert house.object("comp0").rules == {"p1": Rule()}


def test_the_comparer_that_it_names_is_the_only_one_though_others_come() -> None:
    house = a_house("-object colo-compare,id=comp0 -object colo-passthrough,id=p0,compare=comp0").start()
    house.add("object", "colo-compare,id=comp1")
    assert (house.object("comp0").rules, house.object("comp1").rules) == ({"p0": Rule()}, {})


def test_it_names_nothing_that_is_not_there() -> None:
    with pytest.raises(OptionError, match=r"property 'compare': there is no object 'comp2' \(there are: .*comp0"):
        parse_arguments((TWO + "-object colo-passthrough,id=p0,compare=comp2").split(), TYPES)


def test_it_names_nothing_that_compares_not() -> None:
    house = a_house("-object iothread,id=io0 -object colo-passthrough,id=p0,compare=io0")
    with pytest.raises(StartError) as caught:
        house.machine.privilegedStartService()
    assert str(caught.value) == "-object colo-passthrough,id=p0: property 'compare': 'io0' is no colo-compare"


def test_without_a_comparer_it_says_so() -> None:
    with capturedLogs() as events:
        house = a_house("-object colo-passthrough,id=p0").start()
    lines = [formatEvent(event) for event in events]
    assert "colo-passthrough p0: there is no colo-compare that the rule could be for" in lines
    assert isinstance(house.machine, Machine)
    house.object("p0").stop()

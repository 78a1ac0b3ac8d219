"""What -mon takes; the words of a command line are in tests/options/test_monitors.py."""

from __future__ import annotations

from colo_twisted.control.properties import MonitorProperties
from colo_twisted.options import declare


def test_a_monitor_is_called_as_its_chardev_unless_it_has_an_id() -> None:
    assert MonitorProperties(chardev="c0", mode="control").id == "c0"
    assert MonitorProperties(id="m", chardev="c0", mode="control").id == "m"


def test_the_chardev_is_a_reference() -> None:
    ((declaration, what, id),) = declare.references(MonitorProperties(chardev="c0", mode="control"))
    assert (declaration.name, what, id) == ("chardev", "chardev", "c0")


def test_printed_and_parsed_it_is_the_same() -> None:
    properties = MonitorProperties(chardev="c0", mode="control", pretty=True, insecure=True)
    assert declare.parse(MonitorProperties, declare.unparse(properties)) == properties

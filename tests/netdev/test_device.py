"""Devices: names of the TAPs that are made for guests, and QEMU's NIC models."""

from __future__ import annotations

import pytest

from colo_twisted.netdev.device import DEVICES, GUEST_QUEUE, DeviceProperties, as_guest, guest_tap
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.options.errors import OptionError
from tests.support.fakes import FakeMachine, FakeNetdev


def test_the_guests_tap_bears_the_devices_id_and_address() -> None:
    tap = guest_tap(DeviceProperties(id="e0", netdev="hn0", mac=b"\x52\xa4\0\x12\x78\x66"), "e0", FakeMachine())
    assert (tap.id, tap.name, tap.address) == ("e0", "e0", b"\x52\xa4\0\x12\x78\x66")


def test_without_an_id_it_is_numbered() -> None:
    assert guest_tap(DeviceProperties(netdev="hn0"), "NIC3", FakeMachine()).name == "NIC3"


def test_no_script_is_run_for_it() -> None:
    properties = guest_tap(DeviceProperties(netdev="hn0"), "NIC0", FakeMachine()).properties
    assert (properties.script, properties.downscript) == ("", "")


@pytest.mark.parametrize("id", ["x" * 16, "this-name-is-too-long"])
def test_an_id_longer_than_an_interfaces_name_is_refused(id: str) -> None:
    with pytest.raises(OptionError, match="at most 15 bytes"):
        DeviceProperties(id=id, netdev="hn0").check()
    DeviceProperties(id=id, netdev="hn0", guest="g0").check()


def test_a_guest_is_another_netdev() -> None:
    with pytest.raises(OptionError, match="'guest' takes another netdev"):
        DeviceProperties(netdev="hn0", guest="hn0").check()


def test_the_models_that_stand_in_peoples_command_lines_are_known() -> None:
    assert {"e1000", "e1000e", "rtl8139", "virtio-net-pci", "vmxnet3"} <= {model.name for model in DEVICES}


def test_a_tap_that_is_a_guests_keeps_more_of_what_it_sends() -> None:
    tap = guest_tap(DeviceProperties(netdev="hn0"), "NIC0", FakeMachine())
    other = Tap(TapProperties(id="g0", script="", downscript=""), FakeMachine())
    assert other.queue is None
    assert as_guest(other) is other
    assert tap.queue == other.queue == GUEST_QUEUE
    stream = FakeNetdev()
    assert as_guest(stream) is stream

"""``-device``: plugs a guest into a netdev. NICs are QEMU's business; here a model is only a name."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.interfaces import IMachine, INetdev
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Identifier, Ignored, MACAddress, Reference

LONGEST_INTERFACE_NAME = 15  # IFNAMSIZ less the final zero
# Packets that a guest may have sent and we have not read. A packet that one guest's TAP drops, and the other's doesn't,
# holds the client up until it is sent again; the kernel's 1000 are soon full when some hundred connections begin.
GUEST_QUEUE = 10_000

MODELS = [
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82550",
    "i82551",
    "i82557a",
    "i82557b",
    "i82557c",
    "i82558a",
    "i82558b",
    "i82559a",
    "i82559b",
    "i82559c",
    "i82559er",
    "i82562",
    "i82801",
    "igb",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "spapr-vlan",
    "tulip",
    "usb-net",
    "virtio-net",
    "virtio-net-ccw",
    "virtio-net-device",
    "virtio-net-pci",
    "virtio-net-pci-non-transitional",
    "virtio-net-pci-transitional",
    "vmxnet3",
    "xen-net-device",
]


def _inside_qemu(name: str | None = None) -> str | None:
    value: str | None = prop(Ignored(), "taken", default=None, name=name)
    return value


@dataclass(frozen=True, kw_only=True)
class DeviceProperties(Properties):
    """QEMU's that have a meaning here, ``guest``, and those that stand in people's command lines."""

    id: str = prop(Identifier(), "its name, and that of the TAP made for it (NICn unless set)", default="")
    netdev: str = prop(Reference("netdev"), "the netdev to plug into")
    guest: str | None = prop(
        Reference("netdev"), "the netdev whose far end is the guest; without it a TAP is made", default=None
    )
    mac: bytes | None = prop(MACAddress(), "the address of the TAP that is made", default=None)
    bus: str | None = _inside_qemu()
    addr: str | None = _inside_qemu()
    bootindex: str | None = _inside_qemu()
    romfile: str | None = _inside_qemu()
    rombar: str | None = _inside_qemu()
    multifunction: str | None = _inside_qemu()
    vectors: str | None = _inside_qemu()
    mq: str | None = _inside_qemu()
    acpi_index: str | None = _inside_qemu("acpi-index")
    ats: str | None = _inside_qemu()
    disable_legacy: str | None = _inside_qemu("disable-legacy")
    disable_modern: str | None = _inside_qemu("disable-modern")
    host_mtu: str | None = _inside_qemu()
    iommu_platform: str | None = _inside_qemu()
    mrg_rxbuf: str | None = _inside_qemu()
    packed: str | None = _inside_qemu()
    rx_queue_size: str | None = _inside_qemu()
    tx_queue_size: str | None = _inside_qemu()

    def check(self) -> None:
        if self.guest == self.netdev:
            raise OptionError("property 'guest' takes another netdev than 'netdev'")
        if self.guest is None and len(self.id.encode()) > LONGEST_INTERFACE_NAME:
            raise OptionError(
                f"property 'id' takes at most {LONGEST_INTERFACE_NAME} bytes: the TAP made for the guest bears it"
                " (or name a netdev with guest=)"
            )

    def claims(self) -> tuple[str, ...]:
        return (f"interface {self.id}",) if self.id and self.guest is None else ()

    def check_host(self) -> None:
        if self.guest is None:
            TapProperties(id="guest", script="", downscript="").check_host()


def guest_tap(properties: DeviceProperties, name: str, machine: IMachine) -> Tap:
    """The TAP of a device without ``guest``: no script is run, for its interface is the guest's own."""
    tap = Tap(TapProperties(id=name, ifname=name, script="", downscript=""), machine, source="-device ...")
    tap.address = properties.mac
    as_guest(tap)
    return tap


def as_guest(netdev: INetdev) -> INetdev:
    """A netdev whose far end is a guest: a TAP keeps more of what that sends."""
    if isinstance(netdev, Tap):
        netdev.set_queue(GUEST_QUEUE)
    return netdev


def _not_alone(properties: DeviceProperties, machine: IMachine) -> INetdev:
    raise AssertionError("a device is made together with its chain, by the machine")


DEVICES = tuple(ObjectType(model, "plugs a guest into a netdev", DeviceProperties, _not_alone) for model in MODELS)

"""``-object colo-qemu``: a QEMU under COLO as the guest of either side."""

from __future__ import annotations

from colo_twisted.interfaces import IMachine
from colo_twisted.options.declare import ObjectType
from colo_twisted.qemu.guest import ColoQEMU
from colo_twisted.qemu.own_filters import QEMUWithFilters
from colo_twisted.qemu.primary import PrimaryQEMU
from colo_twisted.qemu.properties import PRIMARY, ColoQEMUProperties
from colo_twisted.qemu.secondary import SecondaryQEMU


def _create(properties: ColoQEMUProperties, machine: IMachine) -> ColoQEMU:
    if properties.role == PRIMARY:
        return PrimaryQEMU(properties, machine)
    return (SecondaryQEMU if properties.marker is None else QEMUWithFilters)(properties, machine)


COLO_QEMU = ObjectType(
    "colo-qemu", "drives a QEMU under COLO by its QMP socket, and takes checkpoints of it", ColoQEMUProperties, _create
)

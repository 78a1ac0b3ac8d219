"""The running set: built and wired from a configuration, opened, started and stopped, and changed while it runs."""

from colo_twisted.machine.machine import Machine
from colo_twisted.machine.parts import Device, Parts

__all__ = ["Device", "Machine", "Parts"]

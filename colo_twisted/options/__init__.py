"""QEMU's option strings as typed properties: one declaration gives parsing, defaults, help and error texts."""

from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.errors import OptionError, StartError

__all__ = ["ObjectType", "OptionError", "Properties", "StartError", "prop"]

"""What -object colo-qemu takes."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.link.addresses import Address, TCPAddress, UNIXAddress
from colo_twisted.link.properties import check_unix_path
from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Choice, Duration, HostPort, Identifier, Kind, Reference

PRIMARY, SECONDARY = "primary", "secondary"


class QMPSocket(Kind):
    """unix:PATH or tcp:HOST:PORT, as an Address."""

    allowed = f"unix:PATH or tcp:{HostPort.allowed}"

    def parse(self, text: str) -> Address:
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest and "\0" not in rest:
            return UNIXAddress(rest)
        if kind != "tcp":
            raise ValueError
        host, port = HostPort().parse(rest)
        return TCPAddress(host or "localhost", port)

    def format(self, value: Address) -> str:
        return str(value)


class NodeNames(Kind):
    """Names of block nodes, as a tuple."""

    allowed = f"names with blanks between; each of them {Identifier.allowed}"

    def parse(self, text: str) -> tuple[str, ...]:
        return tuple(map(Identifier().parse, text.split()))

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


@dataclass(frozen=True, kw_only=True)
class ColoQEMUProperties(Properties):
    """Where its QMP socket is, which side it is on, and how long it may take to answer."""

    qmp: Address = prop(QMPSocket(), "a QMP socket of QEMU's, on this host, that nobody else uses (-qmp ...,server=on)")
    role: str = prop(Choice(PRIMARY, SECONDARY), "which of the two guests this QEMU runs")
    timeout: int = prop(
        Duration("ms", 100, 600_000),
        "an answer of QEMU's may take so long; then it counts as hung, and is asked anew",
        default=5000,
        settable=True,
    )
    marker: str | None = prop(
        Reference("chardev"),
        "secondary whose filters are QEMU's own: leads to a filter-redirector of QEMU's, before its f2, by which"
        " checkpoints are marked in what its guest sends",
        default=None,
    )

    nbd: tuple[str, ...] = prop(
        NodeNames(),
        "guests with disks: the block nodes of QEMU's that take the primary's writes to the other side by NBD (block"
        " replication). They are given up (yank) before QEMU is told that the other side is lost",
        default=(),
        settable=True,
    )

    def check(self) -> None:
        if self.marker is not None and self.role != SECONDARY:
            raise OptionError("property 'marker' is for role=secondary")
        if isinstance(self.qmp, UNIXAddress):
            check_unix_path("qmp", self.qmp.path)

    def claims(self) -> tuple[str, ...]:
        """QEMU serves one client of a socket at a time: another would wait for ever."""
        return (f"QMP socket {self.qmp}",)

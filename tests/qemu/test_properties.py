"""What -object colo-qemu takes, and what it says of anything else: one line."""

from __future__ import annotations

import pytest
from hypothesis import given

from colo_twisted.link.addresses import Address, TCPAddress, UNIXAddress
from colo_twisted.options import declare
from colo_twisted.options.keyval import split
from colo_twisted.qemu.colo_qemu import COLO_QEMU
from colo_twisted.qemu.primary import PrimaryQEMU
from colo_twisted.qemu.properties import ColoQEMUProperties, QMPSocket
from colo_twisted.qemu.secondary import SecondaryQEMU
from tests.options.lines import error_of, parse_words
from tests.support.fakes import FakeMachine
from tests.support.house import make
from tests.support.strategies import values_of

OBJECT = "colo-qemu,id=qemu0"
SOCKETS = "unix:PATH or tcp:HOST:PORT, with an IPv6 host in brackets"
PATH = "x" * 108


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/qmp", UNIXAddress("/run/qmp")),
        ("unix:a:b", UNIXAddress("a:b")),
        ("tcp:127.0.0.1:4444", TCPAddress("127.0.0.1", 4444)),
        ("tcp::4444", TCPAddress("localhost", 4444)),
        ("tcp:[::1]:4444", TCPAddress("::1", 4444)),
    ],
)
def test_a_socket_is_where_qemus_own_option_puts_it(text: str, address: Address) -> None:
    assert QMPSocket().parse(text) == address


@given(values_of(QMPSocket()))
def test_what_is_printed_is_parsed_as_the_same(address: Address) -> None:
    kind = QMPSocket()
    assert kind.parse(kind.format(address)) == address


def test_the_defaults() -> None:
    properties = declare.parse(ColoQEMUProperties, split("id=qemu0,qmp=unix:/run/qmp,role=primary"))
    assert (properties.timeout, properties.marker) == (5000, None)


@pytest.mark.parametrize(("role", "kind"), [("primary", PrimaryQEMU), ("secondary", SecondaryQEMU)])
def test_each_role_is_driven_in_its_own_way(role: str, kind: type) -> None:
    made = make(COLO_QEMU, f"id=qemu0,qmp=unix:/nowhere,role={role}", FakeMachine())
    assert (type(made), made.role) == (kind, role)


@pytest.mark.parametrize(
    ("given_", "error"),
    [
        ("role=primary", f"property 'qmp' is missing: {SOCKETS}"),
        ("qmp=unix:/q", "property 'role' is missing: primary or secondary"),
        ("qmp=unix:/q,role=both", "property 'role' takes primary or secondary; got 'both'"),
        *(
            (f"qmp={text},role=primary", f"property 'qmp' takes {SOCKETS}; got '{text}'")
            for text in (
                "",
                "/q",
                "unix:",
                "fd:5",
                "tcp:",
                "tcp:4444",
                "tcp:h:",
                "tcp:h:99999",
                "tcp:::1:44",
                "tcp:h h:1",
            )
        ),
        (f"qmp=unix:{PATH},role=primary", "property 'qmp' takes at most 107 bytes"),
        (
            "qmp=unix:/q,role=primary,timeout=50",
            "property 'timeout' takes a time in ms, a whole number from 100 to 600000, or as much with a unit"
            " (s, ms, us); got '50'",
        ),
        ("qmp=unix:/q,role=secondary,marker=mark0", "property 'marker': there is no chardev 'mark0' (there are: none)"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(given_: str, error: str) -> None:
    assert error_of("-object", f"{OBJECT},{given_}") == f"-object {OBJECT},{given_}: {error}"


def test_one_socket_serves_one_of_them() -> None:
    lines = [f"colo-qemu,id=qemu{number},qmp=unix:/q,role=primary" for number in (0, 1)]
    assert error_of("-object", lines[0], "-object", lines[1]) == (
        f"-object {lines[1]}: QMP socket unix:/q is taken by -object {lines[0]}"
    )
    assert parse_words("-object", lines[0], "-object", lines[1].replace("unix:/q", "unix:/r"))

"""What people read: QEMU's forms of it."""

from __future__ import annotations

import pytest

from colo_twisted import __version__
from tests.support.asking import Client, a_client
from tests.support.fakes import batch_of, packet

LINE = (
    "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0 -chardev fake,id=c0"
    " -netdev socket,id=s0,connect=127.0.0.1:7000"
    " -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0 -object iothread,id=i0"
)


@pytest.fixture
def client() -> Client:
    return a_client(LINE, start=False)


def said(client: Client, line: str) -> list[str]:
    text: str = client("human-monitor-command", {"command-line": line})
    assert not text or text.endswith("\r\n")
    return text.split("\r\n")[:-1]


def test_the_network_with_devices_and_filters(client: Client) -> None:
    assert said(client, "info network") == [
        "e0: index=0,type=nic,model=e1000,macaddr=00:00:00:00:00:00",
        " \\ hn0: index=0,type=fake,",
        " \\ g0: index=0,type=fake,",
        "filters:",
        "  - m0: type=filter-mirror,netdev=hn0,queue=tx,status=on,position=tail,insert=behind,outdev=c0,"
        "vnet_hdr_support=false,max_backlog=67108864",
        "s0: index=0,type=socket,disconnected:tcp:127.0.0.1:7000",
    ]


def test_the_guests_address_is_known_once_it_has_spoken() -> None:
    client = a_client(LINE.replace(" -netdev socket,id=s0,connect=127.0.0.1:7000", ""))
    client.house.netdev("g0").receive(batch_of(packet("one")))
    assert said(client, "info network")[0].endswith("macaddr=52:54:00:00:00:01")


def test_the_chardevs(client: Client) -> None:
    assert said(client, "info chardev") == ["c0: filename=fake"]


def test_version_status_and_name(client: Client) -> None:
    (version,) = said(client, "info version")
    assert version.endswith(f"(colo_twisted {__version__})")
    assert said(client, "info status") == ["VM status: paused (prelaunch)"]
    client.house.machine.status = "running"
    assert said(client, "info status") == ["VM status: running"]
    client.house.machine.name = None
    assert said(client, "info name") == []
    client.house.machine.name = "primary"
    assert said(client, "info name\n") == ["primary"]


def test_the_tree(client: Client) -> None:
    assert said(client, "info qom-tree") == [
        "/ (container)",
        "  /chardevs (container)",
        "    /c0 (chardev-fake)",
        "  /machine (colo-machine)",
        "    /peripheral (container)",
        "      /e0 (e1000)",
        "    /peripheral-anon (container)",
        "  /objects (container)",
        "    /i0 (iothread)",
        "    /m0 (filter-mirror)",
    ]
    assert said(client, "info qom-tree /objects") == [
        "/objects (container)",
        "  /i0 (iothread)",
        "  /m0 (filter-mirror)",
    ]
    assert said(client, "info qom-tree /nope") == ["Path '/nope' could not be resolved."]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", []),
        ("  ", []),
        ("foo", ["unknown command: 'foo'"]),
        ("quitx 1", ["unknown command: 'quitx'"]),
        ("info foo", ["unknown command: 'info foo'"]),
        ("info names", ["unknown command: 'info names'"]),
        ("help foo", ["unknown command: 'foo'"]),
        ("help info network", ["info network  -- show the netdevs, devices and filters"]),
        (
            "info network x",
            [
                "network: extraneous characters at the end of line",
                'Try "help info network" for more information',
            ],
        ),
    ],
)
def test_what_is_not_known_is_said_as_qemu_says_it(client: Client, line: str, answer: list[str]) -> None:
    assert said(client, line) == answer


def test_help_lists_what_there_is(client: Client) -> None:
    assert [line.split(" ")[0] for line in said(client, "help")] == ["help", "info"]
    assert said(client, "help info") == said(client, "info")
    assert [line.split(" ")[1] for line in said(client, "info")] == [
        "chardev",
        "name",
        "network",
        "qom-tree",
        "status",
        "version",
    ]

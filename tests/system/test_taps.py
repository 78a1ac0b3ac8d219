"""``-netdev tap`` against the kernel, as root in a namespace: names, descriptors, bridges, scripts, and sudden ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.namespaces import Host, Hosts, need, run
from tests.support.processes import Colo, wait_until
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC, NO_SCRIPTS, Between, between, burst, counted

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP_NO_PI = 0x1002
NOBODY = 65534
# where this is on, a bridge takes packets off their sender's account
BRIDGE_NETFILTER = "/proc/sys/net/bridge/bridge-nf-call-iptables"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="colo-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def links(host: Host, *which: str) -> dict[str, str]:
    """The names of a host's interfaces, and their Ethernet addresses."""
    return {link["ifname"]: link["address"] for link in json.loads(host.ip(f"-j link show {' '.join(which)}") or "[]")}


def script(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


# names


def test_the_kernel_numbers_names(tmp_path: Path) -> None:
    netdevs = [f"tap,id=a,ifname=net%d,{NO_SCRIPTS}", f"tap,id=b,ifname=net%d,{NO_SCRIPTS}", f"tap,id=c,{NO_SCRIPTS}"]
    with Hosts() as hosts:
        host = hosts.add("h")
        before = set(links(host))
        with Colo([word for netdev in netdevs for word in ("-netdev", netdev)], tmp_path, namespace=host.name) as colo:
            assert set(links(host)) - before == {"net0", "net1", "tap0"}
            assert "netdev b: TAP net1 is open" in colo.output
            assert colo.stop() == 0
        assert set(links(host)) == before


def test_the_guests_tap_has_the_devices_name_and_address(tmp_path: Path) -> None:
    with between(tmp_path) as hosts:
        assert links(hosts.guest)["e0"] == GUEST_MAC


# taken over


@contextlib.contextmanager
def opened_tap(name: str) -> Iterator[int]:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("=16sH22x", name.encode(), _IFF_TAP_NO_PI))
        yield tap
    finally:
        os.close(tap)


def test_an_inherited_tap_carries_frames_and_outlives_the_process(tmp_path: Path) -> None:
    need("ip", "ping")
    name = f"ct{os.getpid()}"
    with opened_tap(name) as tap, Hosts() as hosts:
        client, host, guest = map(hosts.add, ("c", "h", "g"))
        arguments = ["-netdev", f"tap,id=hn0,fd={tap}", "-device", "e1000,id=e0,netdev=hn0"]
        with Colo(arguments, tmp_path, namespace=host.name, pass_fds=(tap,)) as colo:
            run("ip", "link", "set", name, "netns", client.name)
            client.ip(f"addr add {CLIENT}/24 dev {name}")
            client.ip(f"link set {name} up")
            guest.take("e0", host, f"{GUEST}/24")
            Between(hosts, client, host, guest, colo).ping()
            assert colo.stop() == 0
        assert name in links(client)


def test_a_persistent_tap_is_taken_over_and_left(tmp_path: Path) -> None:
    with Hosts() as hosts:
        client, host, guest = map(hosts.add, ("c", "h", "g"))
        host.ip("tuntap add dev keep mode tap")
        address = links(host)["keep"]
        netdev = f"tap,id=hn0,ifname=keep,{NO_SCRIPTS}"
        for _ in range(2):  # the second time, from where the first left it
            with Colo(["-netdev", netdev, "-device", "e1000,id=e0,netdev=hn0"], tmp_path, namespace=host.name) as colo:
                client.take("keep", host, f"{CLIENT}/24")
                guest.take("e0", host, f"{GUEST}/24")
                Between(hosts, client, host, guest, colo).ping()
                assert colo.stop() == 0
            client.ip(f"link set keep netns {host.name}")
        assert links(host)["keep"] == address


# bridges


@contextlib.contextmanager
def bridged(folder: Path, tap: str = "") -> Iterator[Between]:
    """A client and a guest, whose host has the TAP on a bridge with the client's cable."""
    with Hosts() as hosts:
        client, host, guest = map(hosts.add, ("c", "h", "g"))
        hosts.cable(client, "eth0", host, "cable")
        host.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        host.run("sh", "-c", f"[ ! -e {BRIDGE_NETFILTER} ] || echo 0 >{BRIDGE_NETFILTER}")
        host.ip("link set cable master br0")
        host.ip("link set br0 up")
        client.ip(f"addr add {CLIENT}/24 dev eth0")
        arguments = ["-netdev", f"tap,id=hn0,ifname=lan,br=br0{tap}", "-device", "e1000,id=e0,netdev=hn0"]
        with Colo(arguments, folder, namespace=host.name) as colo:
            assert set(links(host, "master", "br0")) == {"cable", "lan"}
            guest.take("e0", host, f"{GUEST}/24")
            yield Between(hosts, client, host, guest, colo)


def test_br_makes_the_tap_a_port_of_the_bridge(tmp_path: Path) -> None:
    need("ping")
    with bridged(tmp_path) as hosts:
        hosts.ping()
        assert hosts.colo.stop() == 0


@pytest.mark.parametrize(("tap", "waits"), [(",sndbuf=20k", True), ("", False)])
def test_sndbuf_bounds_what_the_kernel_takes_and_the_rest_waits(tmp_path: Path, tap: str, waits: bool) -> None:
    need("tc", "ping")
    frames = 300
    with bridged(tmp_path, tap) as hosts:
        hosts.ping()  # now they know each other's addresses
        hosts.host.run("sh", "-c", "tc qdisc add dev cable root tbf rate 50mbit burst 20k limit 10m")
        before = counted(hosts.client, "eth0", "rx_packets")
        burst(hosts.guest, CLIENT, frames)
        wait_until(lambda: counted(hosts.client, "eth0", "rx_packets") - before >= frames, "all frames")
        counters = hosts.colo.counters()["netdev hn0"]
        assert ("queued" in counters) == waits
        assert not [name for name in counters if name.startswith("dropped")]


# scripts


def test_scripts_run_with_the_interfaces_name_up_at_the_start_and_down_at_sigterm(tmp_path: Path) -> None:
    said = tmp_path / "said"
    up = script(tmp_path, "up", f'echo "up $*" >>{said}', 'ip link set "$1" up')
    down = script(tmp_path, "down", f'echo "down $*" >>{said}', f'ip -br link show "$1" >>{said}')
    with Hosts() as hosts:
        host = hosts.add("h")
        arguments = ["-netdev", f"tap,id=hn0,ifname=lan,script={up},downscript={down}"]
        with Colo(arguments, tmp_path, namespace=host.name) as colo:
            assert said.read_text() == "up lan\n"
            assert "UP" in host.ip("-br link show lan")
            assert colo.stop() == 0
        first, second, shown = said.read_text().splitlines()
        assert [first, second] == ["up lan", "down lan"]
        assert shown.startswith("lan ")
        assert "UP" in shown  # it was still there
        assert "lan" not in links(host)


# without root, and sudden ends

AS_NOBODY = (f"--uid={NOBODY}", f"--gid={NOBODY}")


def test_with_uid_frames_flow_without_root_and_a_downscript_runs_as_that_user(open_folder: Path) -> None:
    need("ping")
    said = open_folder / "said"
    up = script(open_folder, "up", f"id -u >{said}")
    down = script(open_folder, "down", f'id -u >{said}-too; echo "may not" >&2; exit 1')
    with Hosts() as hosts:
        client, host, guest = map(hosts.add, ("c", "h", "g"))
        arguments = [
            *("-netdev", f"tap,id=hn0,ifname=lan,script={up},downscript={down}"),
            *("-device", "e1000,id=e0,netdev=hn0"),
        ]
        with Colo(arguments, open_folder, namespace=host.name, twistd=AS_NOBODY) as colo:
            status = Path(f"/proc/{colo.pid}/status").read_text()
            assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status
            client.take("lan", host, f"{CLIENT}/24")
            guest.take("e0", host, f"{GUEST}/24")
            Between(hosts, client, host, guest, colo).ping()
            assert colo.stop() == 0
        assert said.read_text() == "0\n"
        assert Path(f"{said}-too").read_text() == f"{NOBODY}\n"
        assert colo.output.count("downscript") == 1
        assert f"netdev hn0: downscript {down} lan exited with 1: may not" in colo.output
        assert "Traceback" not in colo.output


@pytest.mark.parametrize("twistd", [(), AS_NOBODY], ids=["root", "nobody"])
def test_a_deleted_interface_is_reported_once_and_the_process_lives(open_folder: Path, twistd: tuple[str, ...]) -> None:
    need("ping")
    with between(open_folder, twistd=twistd) as hosts:
        hosts.ping()
        hosts.client.ip("link del lan")
        hosts.colo.wait_for_output("TAP lan can't be used any more")
        before = hosts.colo.counters()["netdev e0"]["frames_in"]
        hosts.guest.ip(f"neigh replace {CLIENT} lladdr 52:54:00:00:00:01 dev e0 nud permanent")
        burst(hosts.guest, CLIENT, 20)
        wait_until(lambda: hosts.colo.counters()["netdev e0"]["frames_in"] >= before + 20, "frames into the void")
        assert hosts.colo.counters()["netdev hn0"]["dropped_link_down"] >= 20
        reports = [line for line in hosts.colo.output.splitlines() if "#warn" in line]
        assert len(reports) == 1, reports
        assert hosts.colo.stop() == 0
        assert "Traceback" not in hosts.colo.output

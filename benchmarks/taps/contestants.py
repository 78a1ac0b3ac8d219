"""What joins the two TAPs: ours, QEMU's hub, or nothing at all (a veth pair)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.hosts import GUEST_TAP, NETWORK_TAP, Hosts
from benchmarks.processes import Running
from benchmarks.programs import COMPILED, OURS_WORDS, PLAIN, QEMU_WORDS, Build

MIRROR_PORT = 9003

_TAPS = (
    *("-netdev", f"tap,id=hn0,ifname={NETWORK_TAP},script=no,downscript=no"),
    *("-netdev", f"tap,id=g0,ifname={GUEST_TAP},script=no,downscript=no"),
)
_NO_VNET_TAPS = tuple(word.replace("script=no", "vnet_hdr=off,script=no", 1) for word in _TAPS)
_MIRROR = (
    *("-chardev", f"socket,id=mirror0,host=127.0.0.1,port={MIRROR_PORT},server=on,wait=off"),
    *("-object", "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0"),
)


@dataclass(frozen=True)
class Contestant:
    """
    One way to join the two TAPs.

    ``words`` runs it; with none it's a veth pair. ``sink`` is what the mirror's peer does; ``build`` is what it must
    be, one of ours.
    """

    name: str
    words: tuple[str, ...] = ()
    sink: str | None = None
    build: Build | None = None

    @contextmanager
    def joined(self, hosts: Hosts) -> Iterator[Callable[[], int | None]]:
        """
        While it runs, the client and the guest see each other.

        Gives a function that ends the mirror's peer and says how many bytes that got; None without one.
        """
        if not self.words:
            hosts.middle.ip(f"link add {NETWORK_TAP} type veth peer name {GUEST_TAP}")
            hosts.plug_in()
            yield _nothing
            return
        environment = self.build.environment if self.build else None
        with hosts.middle.running(*self.words, environment=environment) as joining:
            joining.wait_for(hosts.have_taps, f"{self.name}: its TAPs")
            if self.build is not None:
                self.build.wait_for(joining, self.name)
            hosts.plug_in()
            with self._mirrored(hosts) as mirrored:
                joining.wait_for(hosts.guest_answers, f"{self.name}: the guest's answer to a ping")
                yield mirrored

    @contextmanager
    def _mirrored(self, hosts: Hosts) -> Iterator[Callable[[], int | None]]:
        if self.sink is None:
            yield _nothing
            return
        program = str(Path(__file__).with_name("sink.py"))
        with hosts.middle.running(sys.executable, program, str(MIRROR_PORT), self.sink) as sink:
            sink.wait_for(lambda: "connected" in sink.output, f"{self.name}: the mirror's peer to connect")
            yield partial(_taken, sink) if self.sink == "read" else _nothing


def _nothing() -> None:
    return None


def _taken(sink: Running) -> int:
    sink.stop()
    return int(sink.output.split()[-1])


def _ours(name: str, *words: str, sink: str | None = None, build: Build = COMPILED) -> Contestant:
    return Contestant(name, (*OURS_WORDS, "-device", "e1000,id=e0,netdev=hn0,guest=g0", *words), sink, build)


def _qemu(name: str, *words: str, sink: str | None = None) -> Contestant:
    hub = (
        *("-netdev", "hubport,id=p0,hubid=0,netdev=hn0"),
        *("-netdev", "hubport,id=p1,hubid=0,netdev=g0"),
    )
    return Contestant(name, (*QEMU_WORDS, *words, *hub), sink)


def _mirror_with(more: str) -> tuple[str, ...]:
    return (*_MIRROR[:-1], f"{_MIRROR[-1]},{more}")


_VNET_MIRROR = _mirror_with("vnet_hdr_support=on")

VETH = Contestant("veth pair")
OURS = _ours("ours", *_NO_VNET_TAPS)
OURS_MIRROR = _ours("ours, mirror", *_TAPS, *_MIRROR, sink="read")
OURS_OFFLOADS = _ours("ours, offloads", *_TAPS)
OURS_VNET_MIRROR = _ours("ours, offloads, vnet mirror", *_TAPS, *_VNET_MIRROR, sink="read")
PLAIN_MIRROR = _ours("ours, mirror, not compiled", *_TAPS, *_MIRROR, sink="read", build=PLAIN)
PLAIN_VNET_MIRROR = _ours("ours, offloads, vnet mirror, not compiled", *_TAPS, *_VNET_MIRROR, sink="read", build=PLAIN)
OURS_STUCK = _ours("ours, stuck peer kept", *_TAPS, *_mirror_with("max_backlog=16G"), sink="stuck")
OURS_DROPPED = _ours("ours, stuck peer dropped", *_TAPS, *_mirror_with("max_backlog=1M"), sink="stuck")
QEMU_HUB = _qemu("QEMU", *_TAPS)
QEMU_MIRROR = _qemu("QEMU, mirror", *_TAPS, *_MIRROR, sink="read")

"""What stands between a client and its web server: one TAP hop of ours, or a whole pair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hosts import GUEST_TAP, NETWORK_TAP, REPLICA_TAP, Hosts
from benchmarks.processes import Running
from benchmarks.programs import COMPILED, OURS_WORDS, PLAIN, Build

_SECONDARY_TAP = "net1"  # the secondary's, on no network
_ALONE = """
    -netdev tap,id=hn0,ifname={network},{tap} -netdev tap,id=g0,ifname={guest},{tap}
    -device e1000,id=e0,netdev=hn0,guest=g0
"""
_PRIMARY = f"""
    {_ALONE}
    -chardev socket,id=mirror0,path={{folder}}/mirror,server=on,wait=off
    -chardev socket,id=compare1,path={{folder}}/compare,server=on,wait=off
    -chardev pair,id=compare0,peer=compare0-0 -chardev pair,id=compare_out,peer=compare_out0
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0{{vnet}}
    -object filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out{{vnet}}
    -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0{{vnet}}
    -object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0{{vnet}}
"""
_SECONDARY = f"""
    {_ALONE}
    -chardev socket,id=red0,path={{folder}}/mirror,reconnect=1
    -chardev socket,id=red1,path={{folder}}/compare,reconnect=1
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0{{vnet}}
    -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1{{vnet}}
    -object filter-rewriter,id=rew0,netdev=hn0,queue=all{{vnet}}
"""


@dataclass(frozen=True)
class Contestant:
    """One way from the client to the guest."""

    name: str
    paired: bool
    offloads: bool
    build: Build = COMPILED

    @contextmanager
    def joined(self, hosts: Hosts, folder: Path) -> Iterator[tuple[Running, ...]]:
        """While they run, the client and the guest see each other. Raises BenchmarkError."""
        with ExitStack() as stack:
            primary = stack.enter_context(
                self._running(hosts, folder, _PRIMARY if self.paired else _ALONE, NETWORK_TAP, GUEST_TAP)
            )
            running = [primary]
            if self.paired:
                secondary = self._running(hosts, folder, _SECONDARY, _SECONDARY_TAP, REPLICA_TAP)
                running.append(stack.enter_context(secondary))
                self._wait_for_peers(*running)
                hosts.plug_in_replica()
            hosts.plug_in()
            primary.wait_for(hosts.guest_answers, f"{self.name}: the guest's answer to a ping")
            yield tuple(running)

    @contextmanager
    def _running(self, hosts: Hosts, folder: Path, options: str, network: str, guest: str) -> Iterator[Running]:
        tap = "script=no,downscript=no" + ("" if self.offloads else ",vnet_hdr=off")
        vnet = ",vnet_hdr_support=on" if self.offloads else ""
        words = options.format(folder=folder, network=network, guest=guest, tap=tap, vnet=vnet).split()
        with hosts.middle.running(*OURS_WORDS, *words, environment=self.build.environment) as program:
            self.build.wait_for(program, self.name)
            yield program

    def _wait_for_peers(self, primary: Running, secondary: Running) -> None:
        for program, chardevs in ((primary, ("mirror0", "compare1")), (secondary, ("red0", "red1"))):
            for chardev in chardevs:
                program.wait_to_say(f"chardev {chardev}: connected")


HOP = Contestant("one hop", paired=False, offloads=False)
PAIR = Contestant("pair", paired=True, offloads=False)
HOP_OFFLOADS = Contestant("one hop, offloads", paired=False, offloads=True)
PAIR_OFFLOADS = Contestant("pair, offloads", paired=True, offloads=True)
PAIR_OFFLOADS_PLAIN = Contestant("pair, offloads, not compiled", paired=True, offloads=True, build=PLAIN)

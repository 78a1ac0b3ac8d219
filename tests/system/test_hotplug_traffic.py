"""Filters, chardevs and comparers come, are switched and go while frames pass at full rate: none may be the worse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.churn import Churn
from tests.support.namespaces import Host, need
from tests.support.numbered import Receiver, Sender, Sink, connect
from tests.support.processes import Colo, Process
from tests.support.traffic import CLIENT, GUEST, LONG, Website, between

BIG = (1_000 if LONG else 100) * 1_000_000
STEPS = 5_000 if LONG else 300


class Cable:
    """A process between two sockets, network and guest, with numbered frames both ways."""

    def __init__(self, colo: Colo, folder: Path, stack: contextlib.ExitStack) -> None:
        self.colo = colo
        ends = [stack.enter_context(connect(folder / name)) for name in ("network", "guest")]
        colo.wait_for_output("netdev hn0: connected to")
        colo.wait_for_output("netdev g0: connected to")
        self.receivers = [Receiver(end) for end in reversed(ends)]
        self.senders = [Sender(end, direction) for direction, end in enumerate(ends)]

    def check_none_is_wrong_yet(self) -> None:
        assert [receiver.wrong for receiver in self.receivers] == ["", ""]

    def finish(self) -> None:
        """All that was sent arrives."""
        for sender in self.senders:
            sender.stop()
        for sender, receiver in zip(self.senders, self.receivers):
            receiver.wait_for(sender.sent)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    arguments = [
        *("-netdev", f"stream,id=hn0,server,addr.type=unix,addr.path={tmp_path}/network"),
        *("-netdev", f"stream,id=g0,server,addr.type=unix,addr.path={tmp_path}/guest"),
        *("-device", "e1000,netdev=hn0,guest=g0"),
    ]
    with Colo(arguments, tmp_path) as colo, contextlib.ExitStack() as stack:
        yield Cable(colo, tmp_path, stack)


def test_what_comes_and_goes_costs_no_frame_its_place(cable: Cable, tmp_path: Path) -> None:
    with Sink(tmp_path / "sink") as sink:
        churn = Churn(cable.colo, tmp_path, tmp_path / "sink")
        for _ in range(STEPS):
            churn.step()
            cable.check_none_is_wrong_yet()
        churn.empty()
        cable.finish()
        assert churn.compared > 0
        assert [receiver.wrong for receiver in sink.receivers if receiver.wrong] == []
    assert cable.colo.qmp("query-chain")[0]["filters"] == []
    assert cable.colo.counters().keys() == {"netdev hn0", "netdev g0", "chain hn0"}


# TAPs


def retransmitted(host: Host) -> int:
    """TCP segments that a host's kernel has sent more than once."""
    names, values = (line.split() for line in host.run("grep", "^Tcp:", "/proc/net/snmp").splitlines())
    return int(values[names.index("RetransSegs")])


def add_and_remove(colo: Colo, number: int) -> None:
    """A redirector that carries no vnet headers, and redirects nothing: offloads go off, and on again."""
    colo.qmp("chardev-add", id=f"c{number}", backend={"type": "null", "data": {}})
    colo.qmp("object-add", **{"qom-type": "filter-redirector"}, id=f"r{number}", netdev="hn0", indev=f"c{number}")
    assert colo.qmp("query-chain")[0]["offloads"] is False
    colo.qmp("object-del", id=f"r{number}")
    assert colo.qmp("query-chain")[0]["offloads"] is True
    colo.qmp("chardev-remove", id=f"c{number}")


@pytest.mark.parametrize("downloader", ["client", "guest"])
def test_offloads_that_go_off_and_on_in_mid_transfer_cost_no_segment(downloader: str, tmp_path: Path) -> None:
    need("ip", "curl")
    website = Website(tmp_path)
    website.add("big", BIG)
    with between(tmp_path) as hosts, contextlib.ExitStack() as stack:
        for host, tap in ((hosts.client, "lan"), (hosts.guest, "e0")):
            host.ip(f"link set {tap} txqueuelen 20000")  # a window of cut segments, where whole ones had room
        to, source, address = hosts.client, hosts.guest, GUEST
        if downloader == "guest":
            to, source, address = hosts.guest, hosts.client, CLIENT
        stack.enter_context(website.served_by(source, tmp_path / "http.log"))
        words = to.words("sh", "-c", f"curl -sS --fail http://{address}/big | sha256sum")
        curl = stack.enter_context(Process(words, tmp_path / "sum"))
        times = 0
        while curl.popen.poll() is None:
            add_and_remove(hosts.colo, times)
            times += 1
        assert curl.output.split()[0] == website.sha256("big")
        assert times > 10
        assert hosts.troubles() == {}
        assert retransmitted(source) + retransmitted(to) < 20  # TCP itself is wrong now and then, on a busy machine

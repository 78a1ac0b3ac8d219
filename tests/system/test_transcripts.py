"""
The documented secondary failover and resume, typed in qmp-shell and as colo-ctl's commands.

``pytest -s`` prints both sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.colo_ft import DOCUMENTED, OURS
from tests.support.lan import Lan, Node
from tests.support.namespaces import need
from tests.support.transcripts import colo_ctl, for_qmp_shell, qmp_shell

MB = 1_000_000


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    need("ip")
    with Lan(tmp_path) as made:
        yield made


def join(lan: Lan, name: str, options: str, primary: Node) -> Node:
    node = lan.add(name)
    node.start(options.format(primary_ip=primary.address))
    node.start_guest()
    return node


def a_pair(lan: Lan, primary: str, secondary: str) -> tuple[Node, Node]:
    first = lan.add("a")
    first.start(primary)
    first.start_guest()
    second = join(lan, "b", secondary, first)
    first.wait_synced()
    return first, second


def check_right(lan: Lan) -> None:
    assert lan.visit("in_a_row", 20, MB, 10)["wrong"] == []


def test_by_qmp_shell(lan: Lan) -> None:
    procedures = DOCUMENTED
    first, second = a_pair(lan, procedures.primary, procedures.secondary)

    def typed(*lines: str) -> str:
        return qmp_shell(second.colo.control, lines, lan.folder)

    first.kill()
    failover = typed("query-colo-status", *map(for_qmp_shell, procedures.secondary_failover), "", "query-colo-status")
    check_right(lan)
    join(lan, "c", procedures.secondary, second)
    resume = typed(*map(for_qmp_shell, procedures.secondary_resume))
    second.wait_synced()
    resume += typed("query-colo-replica")
    check_right(lan)
    print(f"\n{failover}\n{resume}")
    for session in (failover, resume):
        assert "error" not in session
        assert len(re.findall(r"^\(QEMU\) \S", session, re.MULTILINE)) == session.count('"return"')
    assert "'event': 'COLO_EXIT'" in failover
    assert '"last-mode": "secondary"' in failover
    assert '"state": "synced"' in resume


FAILOVER = """\
status --no-rates
failover --yes
del object f2 f1 cp0
del chardev red1 red0 peer0
status --no-rates
"""
RESUME = """\
add chardev socket,id=mirror0,host=0.0.0.0,port=9003,server=on,wait=off
add chardev socket,id=compare1,host=0.0.0.0,port=9004,server=on,wait=off
add chardev socket,id=peer0,host=0.0.0.0,port=9006,server=on,wait=off
add chardev pair,id=compare0,peer=compare0-0
add chardev pair,id=compare_out,peer=compare_out0
add object colo-peer,id=cp0,chardev=peer0,role=primary
add object filter-mirror,id=m0,insert=before,position=id=rew0,netdev=hn0,queue=tx,outdev=mirror0,vnet_hdr_support=on
add object filter-redirector,id=redire0,insert=before,position=id=rew0,netdev=hn0,queue=rx,indev=compare_out,vnet_hdr_support=on
add object filter-redirector,id=redire1,insert=before,position=id=rew0,netdev=hn0,queue=rx,outdev=compare0,vnet_hdr_support=on
add object iothread,id=iothread1
add object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,iothread=iothread1,vnet_hdr_support=on
wait synced --timeout 60
status --no-rates
"""


def test_by_colo_ctl(lan: Lan) -> None:
    first, second = a_pair(lan, OURS.primary, OURS.secondary)

    def typed(lines: str) -> str:
        return colo_ctl(second.colo.control, lines.splitlines())

    first.kill()
    failover = typed(FAILOVER)
    check_right(lan)
    join(lan, "c", OURS.secondary, second)
    resume = typed(RESUME)
    check_right(lan)
    print(f"\n{failover}\n{resume}")
    assert "taken-over" in failover
    assert "synced" in resume

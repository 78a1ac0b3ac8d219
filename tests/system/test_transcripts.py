"""
The documented secondary failover and resume, typed in qmp-shell and as colo-ctl's commands.

``pytest -s`` prints both sessions.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.colo_ft import DOCUMENTED, OURS, Procedures
from tests.support.lan import Lan, Node
from tests.support.namespaces import need
from tests.support.processes import wait_until
from tests.support.transcripts import QMPShell, Shell, for_qmp_shell

MB = 1_000_000

FAILOVER = """\
status --no-rates
failover --yes
del object f2 f1 gate0 cp0
del chardev red1 red0 peer0
add chardev socket,id=mirror0,host=0.0.0.0,port=9003,server=on,wait=off
add chardev socket,id=compare1,host=0.0.0.0,port=9004,server=on,wait=off
add chardev socket,id=peer0,host=0.0.0.0,port=9005,server=on,wait=off
add chardev pair,id=compare0,peer=compare0-0
add chardev pair,id=compare_out,peer=compare_out0
status --no-rates
"""
RESUME = """\
add object colo-peer,id=cp0,chardev=peer0,role=primary
add object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,{vnet}
add object filter-mirror,id=m0,insert=before,position=id=rew0,netdev=hn0,queue=tx,outdev=mirror0,{vnet}
add object filter-redirector,id=redire0,insert=before,position=id=rew0,netdev=hn0,queue=rx,indev=compare_out,{vnet}
add object filter-redirector,id=redire1,insert=before,position=id=rew0,netdev=hn0,queue=rx,outdev=compare0,{vnet}
wait synced --timeout 60
status --no-rates
"""


@contextlib.contextmanager
def a_pair(folder: Path, procedures: Procedures) -> Iterator[tuple[Lan, Node, Node]]:
    need("ip")
    with Lan(folder) as lan:
        one = lan.add("one")
        one.start(procedures.primary)
        one.start_guest()
        two = join(lan, "two", procedures, one)
        one.wait_synced()
        yield lan, one, two


def join(lan: Lan, name: str, procedures: Procedures, primary: Node) -> Node:
    node = lan.add(name)
    node.start(procedures.secondary.format(primary_ip=primary.address))
    node.start_guest()
    node.wait_link()
    return node


def check_right(lan: Lan) -> None:
    assert lan.visit("in_a_row", 20, MB, 10)["wrong"] == []


def test_by_qmp_shell(tmp_path: Path) -> None:
    with a_pair(tmp_path, DOCUMENTED) as (lan, one, two), QMPShell(two.colo.control) as shell:
        one.kill()
        shell.type("query-colo-status", *map(for_qmp_shell, DOCUMENTED.secondary_failover), "query-colo-status")
        check_right(lan)
        join(lan, "three", DOCUMENTED, two)
        shell.type(*map(for_qmp_shell, DOCUMENTED.secondary_resume))
        two.wait_synced()
        shell.type("query-colo-replica", "")
        check_right(lan)
    print(f"\n{shell.text}")
    typed = re.findall(r"^\(QEMU\) \S", shell.text, re.MULTILINE)
    assert len(typed) == shell.text.count('{"return":')
    assert "'event': 'COLO_EXIT', 'data': {'mode': 'secondary', 'reason': 'request'}" in shell.text
    assert '{"mode": "none", "last-mode": "secondary", "reason": "request"}' in shell.text
    assert '{"mode": "primary", "state": "synced",' in shell.text


def test_by_colo_ctl(tmp_path: Path) -> None:
    with a_pair(tmp_path, OURS) as (lan, one, two):
        shell = Shell(two.colo.control)
        one.kill()
        wait_until(lambda: two.replica()["state"] == "lost", "the primary being silent")
        shell.colo_ctl(*FAILOVER.splitlines())
        check_right(lan)
        join(lan, "three", OURS, two)
        shell.colo_ctl(*RESUME.format(vnet="vnet_hdr_support=on").splitlines())
        check_right(lan)
    print(f"\n{shell.text}")
    assert re.search(r"^state +lost .*: the primary is silent", shell.text, re.MULTILINE)
    assert re.search(r"^state +taken-over ", shell.text, re.MULTILINE)
    assert re.search(r"^state +synced ", shell.text, re.MULTILINE)

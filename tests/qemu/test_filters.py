"""QEMU's filters: what it prints of them is read, the deaf ones are made anew in their place, all go at a take-over."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.qemu.filters import Filters, Found, found
from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.reporting import Reporter

# as QEMU 7.2 prints it
_REST = "position=tail,status=on,insert=behind,netdev=hn0"
INFO = f"""\
e0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56
 \\ hn0: index=0,type=tap,ifname=tap0,script=no,downscript=no
filters:
  - m0: type=filter-mirror,vnet_hdr_support=false,outdev=mirror0,{_REST},queue=tx
  - redire0: type=filter-redirector,vnet_hdr_support=true,indev=compare_out,outdev=,{_REST},queue=rx
  - redire1: type=filter-redirector,vnet_hdr_support=false,indev=,outdev=compare0,{_REST},queue=rx
  - rew0: type=filter-rewriter,vnet_hdr_support=false,{_REST},queue=all
hn1: index=0,type=user,net=10.0.2.0,restrict=off
filters:
  - f1: type=filter-redirector,vnet_hdr_support=false,indev=red0,outdev=,position=tail,status=off,netdev=hn1,queue=tx
"""


class SomeQEMU:
    """Answers as one with these filters; ``refuses`` names commands that it doesn't know."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.read = dict.fromkeys(("compare_out", "red0"), True)
        self.refuses: set[str] = set()
        self.gone = False
        self.healed = 0
        report = Reporter("a test", lambda: 0.0)
        self.filters = Filters(self.ask, report, self._healed)

    def _healed(self) -> None:
        self.healed += 1

    def ask(self, command: str, **arguments: Any) -> Deferred[Any]:
        if self.gone:
            return fail(NoAnswer("it has gone"))
        if command in self.refuses:
            return fail(QEMUError("no such thing"))
        if command == "query-chardev":
            rows = [{"label": id, "frontend-open": read, "filename": "x"} for id, read in self.read.items()]
            return succeed([*rows, {"label": "compare0", "frontend-open": False, "filename": "y"}])
        self.said.append((command, arguments))
        if command == "object-add":
            self.read[arguments["indev"]] = True
        return succeed(INFO if command == "human-monitor-command" else {})

    def commands(self) -> list[str]:
        return [f"{command} {arguments.get('id', '')}".strip() for command, arguments in self.said]


def test_what_qemu_prints_is_read_in_the_order_of_the_chain() -> None:
    known = found(INFO)
    assert [(one.id, one.type) for one in known] == [
        ("m0", "filter-mirror"),
        ("redire0", "filter-redirector"),
        ("redire1", "filter-redirector"),
        ("rew0", "filter-rewriter"),
        ("f1", "filter-redirector"),
    ]
    assert [one.chardevs for one in known] == [["mirror0"], ["compare_out"], ["compare0"], [], ["red0"]]
    assert found("hn0: index=0,type=user\n") == []


def test_a_redirector_whose_indev_nobody_reads_is_made_anew_before_the_next() -> None:
    qemu = SomeQEMU()
    qemu.read["compare_out"] = False
    with capturedLogs() as events:
        qemu.filters.look()
    assert qemu.said[1:] == [
        ("object-del", {"id": "redire0"}),
        (
            "object-add",
            {
                "qom-type": "filter-redirector",
                "id": "redire0",
                "netdev": "hn0",
                "queue": "rx",
                "indev": "compare_out",
                "status": "on",
                "vnet_hdr_support": True,
                "insert": "before",
                "position": "id=redire1",
            },
        ),
    ]
    assert qemu.healed == 1
    (line,) = (formatEvent(event) for event in events)
    assert line == "a test: QEMU's filter-redirector 'redire0' had gone deaf and was made anew"


def test_the_last_of_a_chain_goes_to_its_end_and_stays_off_if_it_was() -> None:
    qemu = SomeQEMU()
    qemu.read["red0"] = False
    qemu.filters.look()
    _, arguments = qemu.said[-1]
    assert (arguments["id"], arguments["position"], arguments["status"]) == ("f1", "tail", "off")
    assert "insert" not in arguments


def test_what_no_redirector_reads_is_looked_at_once() -> None:
    qemu = SomeQEMU()
    for _ in range(3):
        qemu.filters.look()
    assert qemu.commands() == ["human-monitor-command"]
    qemu.read["compare_out"] = False
    qemu.filters.look()
    assert qemu.healed == 1


def test_one_that_goes_deaf_again_is_made_anew_again() -> None:
    qemu = SomeQEMU()
    for times in (1, 2, 3):
        qemu.read["compare_out"] = False
        qemu.filters.look()
        assert qemu.healed == times


@pytest.mark.parametrize("command", ["query-chardev", "human-monitor-command", "object-del", "object-add"])
def test_a_qemu_that_refuses_is_named_in_a_line(command: str) -> None:
    qemu = SomeQEMU()
    qemu.read["compare_out"] = False
    qemu.refuses.add(command)
    with capturedLogs() as events:
        qemu.filters.look()
    (line,) = (formatEvent(event) for event in events)
    assert line == "a test: QEMU's filters can't be looked after: no such thing"
    assert qemu.healed == 0
    qemu.refuses.clear()
    qemu.filters.look()  # and tried again
    assert qemu.healed == 1


def test_a_qemu_that_goes_meanwhile_is_looked_at_when_it_is_back() -> None:
    qemu = SomeQEMU()
    qemu.gone = True
    with capturedLogs() as events:
        qemu.filters.look()
    assert events == []
    qemu.gone, qemu.read["compare_out"] = False, False
    qemu.filters.look()
    assert qemu.healed == 1


def test_at_a_take_over_all_that_diverts_goes_with_its_chardevs_and_the_rewriter_stays() -> None:
    qemu = SomeQEMU()
    done: list[Any] = []
    qemu.filters.remove().addCallback(done.append)
    assert done == [None]
    assert qemu.commands()[1:] == [
        *(f"object-del {id}" for id in ("f1", "redire1", "redire0", "m0")),
        *(f"chardev-remove {id}" for id in ("red0", "compare0", "compare_out", "mirror0")),
        "announce-self",
    ]


def test_what_qemu_refuses_at_a_take_over_keeps_the_rest_from_nothing() -> None:
    qemu = SomeQEMU()
    qemu.refuses.add("object-del")
    with capturedLogs() as events:
        qemu.filters.remove()
    assert len(events) == 4
    assert "QEMU says to object-del {'id': 'f1'}: no such thing" in str(formatEvent(events[0]))
    assert qemu.commands()[-1] == "announce-self"


def test_a_property_without_a_value_is_none() -> None:
    assert Found("a", "filter-redirector", {"indev": "", "outdev": "x"}).chardevs == ["x"]

from __future__ import annotations

import json
from typing import Any

import pytest

from colo_twisted.ctl.errors import Refused
from tests.ctl.objects import COMMIT, ON_DIVERGENCE, STATUS, TIMEOUT, a_server

M0 = {"qom-type": "filter-mirror", "id": "m0", "netdev": "hn0", "outdev": "c0"}


# set


def test_a_property_is_set() -> None:
    server = a_server()
    shown = server.run("set", "m0", "status=off")
    assert shown.stdout == "m0: status is off now\n"
    assert server.orders() == [("qom-set", {"path": "/objects/m0", "property": "status", "value": "off"})]


def test_values_have_the_types_that_the_server_says() -> None:
    server = a_server()
    server.run("set", "comp0", "compare_timeout=5000", "ack_commit=off", "compare_timeout=5s", "other=12")
    assert [(given["property"], given["value"]) for _, given in server.orders()] == [
        ("compare_timeout", 5000),
        ("ack_commit", False),
        ("compare_timeout", "5s"),
        ("other", "12"),
    ]


def test_what_can_be_set_is_listed() -> None:
    assert a_server().run("set").stdout.splitlines() == [
        f"m0     status=on                  {STATUS[0]}",
        f"comp0  compare_timeout=3000 (ms)  {TIMEOUT[0]}",
        f"comp0  ack_commit=on              {COMMIT[0]}",
        f"comp0  on_divergence=checkpoint   {ON_DIVERGENCE[0]}",
    ]
    assert a_server().run("set", "iothread1").stdout == "nothing here can be changed while it runs\n"


def test_what_can_be_set_of_one_object_is_listed_with_what_it_takes() -> None:
    assert a_server().run("set", "comp0").stdout.splitlines() == [
        f"comp0  compare_timeout=3000 (ms)  {TIMEOUT[0]}",
        f"         takes {TIMEOUT[1]}",
        f"comp0  ack_commit=on              {COMMIT[0]}",
        f"         takes {COMMIT[1]}",
        f"comp0  on_divergence=checkpoint   {ON_DIVERGENCE[0]}",
        f"         takes {ON_DIVERGENCE[1]}",
    ]


def test_set_as_json() -> None:
    assert json.loads(a_server().run("set", "--json").stdout) == {
        "m0": {"status": "on"},
        "comp0": {"compare_timeout": 3000, "ack_commit": True, "on_divergence": "checkpoint"},
    }
    shown = a_server().run("set", "m0", "status=off", "--json")
    assert json.loads(shown.stdout) == {"id": "m0", "set": {"status": "off"}}


def test_what_the_server_refuses_is_one_line() -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise Refused("qom-set", "GenericError", "Property 'filter-mirror.outdev' is not writable")

    shown = a_server(qom_set=refuse).run("set", "m0", "outdev=c1")
    assert shown.exit_code == 1
    assert shown.stderr == "colo-ctl: qom-set: Property 'filter-mirror.outdev' is not writable\n"


@pytest.mark.parametrize(
    ("words", "command", "done"),
    [
        (("set", "comp0", "compare_timeout=5s", "ack_commit=off"), "qom_set", {"set": {"compare_timeout": "5s"}}),
        (("del", "object", "f2", "f1"), "object_del", {"removed": [{"what": "object", "id": "f2"}]}),
    ],
)
def test_what_was_done_before_a_refusal_is_told(words: tuple[str, ...], command: str, done: dict[str, Any]) -> None:
    """As lines at once, or in the one document."""
    for json_wanted in (False, True):
        calls = iter([None])

        def refuse_the_second(_: dict[str, Any], calls: Any = calls) -> None:
            if next(calls, 0) is not None:
                raise Refused("it", "GenericError", "no")

        shown = a_server(**{command: refuse_the_second}).run(*words, *["--json"] * json_wanted)
        assert (shown.exit_code, shown.stderr) == (1, "colo-ctl: it: no\n")
        if json_wanted:
            assert json.loads(shown.stdout).items() >= done.items()
        else:
            assert len(shown.stdout.splitlines()) == 1


def test_a_value_that_makes_no_sense_changes_nothing() -> None:
    server = a_server()
    shown = server.run("set", "comp0", "compare_timeout=5s", "ack_commit=perhaps")
    assert (shown.exit_code, server.orders()) == (1, [])


def test_a_number_is_echoed_with_its_unit() -> None:
    shown = a_server().run("set", "comp0", "compare_timeout=3", "compare_timeout=5s", "ack_commit=off", "other=12")
    assert shown.stdout.splitlines() == [
        "comp0: compare_timeout is 3 (ms) now",
        "comp0: compare_timeout is 5s now",
        "comp0: ack_commit is off now",
        "comp0: other is 12 now",
    ]


@pytest.mark.parametrize("more", [["status=off"], []])
@pytest.mark.parametrize(
    ("id", "why"), [("nope", "there is no object 'nope'"), ("mirror0", "'mirror0' is a chardev, no object")]
)
def test_an_object_that_is_not_there(id: str, why: str, more: list[str]) -> None:
    shown = a_server().run("set", id, *more)
    assert (shown.exit_code, shown.stderr) == (1, f"colo-ctl: {why} (there is m0, comp0, iothread1, rew0)\n")


def test_what_can_be_set_is_refused_as_a_whole() -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise Refused("qom-list", "GenericError", "no")

    shown = a_server(qom_list=refuse).run("set")
    assert (shown.exit_code, shown.stderr) == (1, "colo-ctl: qom-list: no\n")


@pytest.mark.parametrize("word", ["status", "=off"])
def test_a_setting_has_a_name_and_a_value(word: str) -> None:
    server = a_server()
    shown = server.run("set", "m0", word)
    assert shown.exit_code == 2
    assert f"'{word}' is not of the form PROPERTY=VALUE" in shown.stderr
    assert server.executed == []


def test_a_switch_is_on_or_off() -> None:
    shown = a_server().run("set", "comp0", "ack_commit=maybe")
    assert (shown.exit_code, shown.stderr) == (1, "colo-ctl: property 'ack_commit' takes on or off; got 'maybe'\n")


# add


@pytest.mark.parametrize(
    ("what", "text", "order"),
    [
        ("object", "filter-mirror,id=m0,netdev=hn0,outdev=c0", ("object-add", M0)),
        ("chardev", "null,id=n0", ("chardev-add", {"id": "n0", "backend": {"type": "null", "data": {}}})),
        ("netdev", "tap,id=hn1,ifname=t1", ("netdev_add", {"type": "tap", "id": "hn1", "ifname": "t1"})),
        ("device", "e1000,id=e1,netdev=hn1", ("device_add", {"driver": "e1000", "id": "e1", "netdev": "hn1"})),
    ],
)
def test_something_is_added(what: str, text: str, order: tuple[str, Any]) -> None:
    server = a_server()
    shown = server.run("add", what, text)
    assert (shown.exit_code, shown.stdout) == (0, f"added {what} {order[1]['id']}\n")
    assert server.orders() == [order]


def test_several_are_added_in_order() -> None:
    server = a_server()
    shown = server.run("add", "chardev", "null,id=a", "null,id=b", "--json")
    assert json.loads(shown.stdout) == {
        "added": [{"id": id, "backend": {"type": "null", "data": {}}} for id in ("a", "b")]
    }
    assert len(server.orders()) == 2


def test_an_option_string_that_cannot_be_translated_is_named() -> None:
    shown = a_server().run("add", "chardev", "socket,id=c0")
    assert shown.exit_code == 1
    assert shown.stderr == "colo-ctl: chardev socket,id=c0: a socket needs host= and port=, or path=, or fd=\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [("help", "filter-mirror"), ("filter-buffer,help", "interval=")],
)
def test_help_on_types_needs_no_server(text: str, said: str) -> None:
    server = a_server()
    shown = server.run("add", "object", text)
    assert shown.exit_code == 0
    assert said in shown.stdout
    assert server.executed == []


def refusing(command: str, description: str) -> Any:
    def refuse(_: dict[str, Any]) -> None:
        raise Refused(command, "GenericError", description)

    return refuse


def test_what_cannot_be_added_is_said_in_words_for_people() -> None:
    no_type = refusing("object-add", "Parameter 'qom-type' does not accept value 'foo'")
    shown = a_server(object_add=no_type).run("add", "object", "foo")
    assert shown.stderr == "colo-ctl: there is no object of type 'foo'; the types are: filter-buffer, filter-mirror\n"
    taken = refusing("object-add", "attempt to add duplicate property 'm0' to object (type 'container')")
    shown = a_server(object_add=taken).run("add", "object", "filter-mirror,id=m0")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == "colo-ctl: the id m0 is taken by a filter-mirror: choose another, or remove that first\n"


def test_help_on_a_type_that_is_not_there() -> None:
    shown = a_server().run("add", "object", "nonsense,help")
    assert shown.exit_code == 1
    assert "there is no type 'nonsense'" in shown.stderr


# del


@pytest.mark.parametrize(
    ("what", "command"),
    [("object", "object-del"), ("chardev", "chardev-remove"), ("netdev", "netdev_del"), ("device", "device_del")],
)
def test_things_are_removed_in_order(what: str, command: str) -> None:
    server = a_server()
    shown = server.run("del", what, "f2", "f1")
    assert shown.stdout == f"removed {what} f2\nremoved {what} f1\n"
    assert server.orders() == [(command, {"id": "f2"}), (command, {"id": "f1"})]


def test_what_cannot_be_removed_is_said_in_words_for_people() -> None:
    server = a_server(object_del=refusing("object-del", "object 'mirror0' not found"))
    shown = server.run("del", "object", "mirror0")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == "colo-ctl: 'mirror0' is a chardev, no object: colo-ctl del chardev mirror0\n"


def test_removal_as_json() -> None:
    shown = a_server().run("del", "object", "f2", "--json")
    assert json.loads(shown.stdout) == {"removed": [{"what": "object", "id": "f2"}]}


@pytest.mark.parametrize("words", [["del", "object"], ["del", "thing", "x"], ["add", "object"], ["add", "mon", "x"]])
def test_wrong_usage(words: list[str]) -> None:
    assert a_server().run(*words).exit_code == 2

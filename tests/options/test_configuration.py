"""The options as one set: ids, references in any order, and what only one can have. (Error texts: test_errors.)"""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from colo_twisted.machine import Machine
from colo_twisted.options import OptionError
from colo_twisted.options.configuration import Configuration, blaming
from colo_twisted.registry import Registry
from tests.options.lines import FULL, PRIMARY, SECONDARY, error_of, gist, options_of, parse, parse_words


def in_order(options: list[tuple[str, str]]) -> Configuration:
    return parse_words(*(word for option in options for word in option))


@pytest.mark.parametrize("line", [PRIMARY, SECONDARY, FULL])
def test_options_in_any_order_make_the_same_set(line: str) -> None:
    expected = sorted(gist(parse(line)), key=str)

    @given(st.permutations(options_of(line)))
    def check(options: list[tuple[str, str]]) -> None:
        configuration = in_order(options)
        assert sorted(gist(configuration), key=str) == expected
        machine: Any = Machine(configuration, Clock())
        assert len(machine.objects) == sum(option == "-object" for option, _ in options)

    check()


@given(st.permutations(options_of(FULL)), st.integers(0, len(options_of(FULL)) - 1))
def test_without_one_option_the_error_is_about_it_in_any_order(options: list[tuple[str, str]], left_out: int) -> None:
    """Only what nothing refers to can be left out; where filters stand is found out when they are lined up."""
    _, value = missing = options_of(FULL)[left_out]
    options.remove(missing)
    if value.startswith(("tap,id=hn0", "stream,id=g0", "socket,id=mirror0", "pair,id=compare")):
        error = error_of(*(word for option in options for word in option))
        assert "there is no " in error
        assert error.isprintable()
    else:
        in_order(options)


def test_ids_of_different_options_do_not_clash() -> None:
    parse("""
        -netdev socket,id=x,connect=h:1 -netdev socket,id=g,connect=h:2 -chardev null,id=x
        -device e1000,id=x,netdev=x,guest=g -object filter-mirror,id=x,netdev=x,outdev=x
    """)


def test_a_pair_makes_two_chardevs() -> None:
    configuration = parse("""
        -netdev socket,id=hn0,connect=h:1 -chardev pair,id=a,peer=b
        -object filter-mirror,id=m0,netdev=hn0,outdev=a -object filter-redirector,id=f1,netdev=hn0,indev=b
    """)
    assert [definition.ids for definition in configuration.of("chardev")] == [("a", "b")]


def test_devices_need_no_id() -> None:
    configuration = parse("""
        -netdev socket,id=a,connect=h:1 -netdev socket,id=b,connect=h:2 -device e1000,netdev=a -device e1000,netdev=b
    """)
    assert [definition.ids for definition in configuration.of("device")] == [(), ()]


def test_definitions_are_found_by_option_in_order() -> None:
    configuration = parse(FULL)
    assert [definition.properties.id for definition in configuration.of("netdev")] == ["hn0", "g0"]
    assert [definition.properties.id for definition in configuration.of("device")] == ["e0"]
    assert list(configuration.of("nonsense")) == []


@pytest.mark.parametrize(
    "line",
    [
        "-netdev tap,id=a,ifname=t%d,script=no -netdev tap,id=b,ifname=t%d,script=no",
        "-netdev tap,id=a,script=no -netdev tap,id=b,script=no",
        "-chardev socket,id=a,path=/tmp/s -chardev socket,id=b,path=/tmp/s",
        "-chardev socket,id=a,path=/tmp/s,server -chardev socket,id=b,path=/tmp/s",
        "-chardev socket,id=a,path=/tmp/s,server -chardev socket,id=b,path=/tmp/s,abstract,server",
        "-netdev tap,id=a,ifname=e0,script=no -netdev socket,id=g,connect=h:1 -device e1000,id=e0,netdev=a,guest=g",
    ],
)
def test_what_several_can_have_is_given_to_several(line: str) -> None:
    assert len(parse(line).definitions) >= 2


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-chardev null,id=a -chardev null,id=a", "-chardev null,id=a: the id 'a' is taken by -chardev null,id=a"),
        (
            "-object filter-drop,id=f,netdev=x",
            "-object filter-drop,id=f,netdev=x: property 'netdev': there is no netdev",
        ),
        ("-netdev tap,id=a,ifname=t -netdev tap,id=b,ifname=t", "interface t is taken by -netdev tap,id=a,ifname=t"),
        (
            "-netdev socket,id=n,connect=h:1 -chardev null,id=a -object filter-mirror,id=m,netdev=n,outdev=a"
            " -object filter-mirror,id=o,netdev=n,outdev=a",
            "chardev 'a' is taken by property 'outdev' of 'm'",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(line: str, what: str) -> None:
    """All other texts: test_errors."""
    assert what in error_of(*shlex.split(line))


def test_a_configuration_of_nothing_is_right() -> None:
    Configuration(Registry()).check()


def test_an_option_error_is_led_by_the_words_that_caused_it() -> None:
    with pytest.raises(OptionError, match=r"^-chardev x: no good$"), blaming("-chardev x"):
        raise OptionError("no good")


def test_other_errors_are_passed_on_as_they_are() -> None:
    with pytest.raises(KeyError, match=r"^'no good'$"), blaming("-chardev x"):
        raise KeyError("no good")

"""The words of a command line: every way to write an option, and help."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.chardev.socket import SocketProperties
from colo_twisted.netdev.stream import StreamProperties
from colo_twisted.netfilter.mirror import MirrorProperties
from colo_twisted.options import declare
from colo_twisted.options.commandline import OPTIONS, TYPE_KEYS, USAGE, HelpWanted, parse_arguments
from colo_twisted.options.errors import OptionError
from colo_twisted.options.keyval import join
from colo_twisted.registry import Registry
from tests.options.lines import FULL, PRIMARY, SECONDARY, error_of, gist, help_of, only, parse, parse_words

RED0 = SocketProperties(id="red0", host="10.22.1.2", port=9003)


def socket(*words: str) -> SocketProperties:
    """The one socket chardev that the words make."""
    properties = only(parse_words(*words))
    assert isinstance(properties, SocketProperties)
    return properties


@pytest.mark.parametrize(
    "words",
    [
        ("-chardev", "socket,id=red0,host=10.22.1.2,port=9003"),
        ("--chardev", "socket,id=red0,host=10.22.1.2,port=9003"),
        ("-chardev=socket,id=red0,host=10.22.1.2,port=9003",),
        ("--chardev=socket,id=red0,host=10.22.1.2,port=9003",),
        ("-chrdev", "socket,id=red0,host=10.22.1.2,port=9003"),
        ("--chrdev=socket,id=red0,host=10.22.1.2,port=9003",),
        ("-chardev", "socket ,id=red0,host=10.22.1.2,port=9003"),
        ("-chardev", "socket", ",id=red0,host=10.22.1.2,port=9003"),
        ("-chrdev", "socket", ",id=red0", ",host=10.22.1.2,port=9003"),
        ("-chardev", "socket,", "id=red0,", "host=10.22.1.2", ",", "port=9003,"),
        ("-chardev=socket", ",id=red0,host=10.22.1.2,port=9003"),
        ("-chardev", "socket,id=red0,\n    host=10.22.1.2,\n    port=9003"),
        ("-chardev", "id=red0,host=10.22.1.2,backend=socket,port=9003"),
        ("-chardev", '{"backend": "socket", "id": "red0", "host": "10.22.1.2", "port": 9003}'),
        ("-chardev", '{"backend": "socket", "id": "red0", "host": "10.22.1.2", "port": "9003"}'),
        ("-chardev", "socket,id=red0,host=10.22.1.2,port=1,port=9003"),
    ],
)
def test_every_way_to_write_an_option(words: tuple[str, ...]) -> None:
    assert socket(*words) == RED0


def test_a_value_of_a_pair_may_stand_behind_an_equals_sign_of_the_options_own() -> None:
    (definition,) = parse_words("--object=iothread,id=i0").definitions
    assert (definition.option, definition.type.name, definition.source) == (
        "object",
        "iothread",
        "-object iothread,id=i0",
    )


def test_the_documents_primary() -> None:
    netdev, device, chardev, mirror = parse(PRIMARY).definitions
    assert [each.type.name for each in (netdev, device, chardev, mirror)] == ["tap", "e1000", "socket", "filter-mirror"]
    assert device.properties.mac == bytes.fromhex("52a400127866")  # type: ignore[attr-defined]
    assert chardev.properties == SocketProperties(id="mirror0", host="10.22.1.2", port=9003, server=True, wait=False)
    assert mirror.properties == MirrorProperties(id="m0", netdev="hn0", queue="tx", outdev="mirror0")


def test_the_documents_secondary() -> None:
    assert [each.type.name for each in parse(SECONDARY).definitions] == ["tap", "e1000", "socket", "filter-redirector"]
    assert parse(SECONDARY).definitions[2].properties == RED0


def test_no_words_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(OptionError, match=r"^there is nothing to do: give options, or -readconfig FILE"):
        parse_words()


def test_json_objects_within_objects_are_dotted_keys() -> None:
    written = {
        "type": "stream",
        "id": "s0",
        "server": True,
        "addr": {"type": "inet", "host": "h", "port": 1, "ipv6": False},
    }
    assert only(parse_words("-netdev", json.dumps(written))) == StreamProperties(
        id="s0", server=True, kind="inet", host="h", port=1, ipv6=False
    )


def test_commas_and_blanks_in_json_are_text() -> None:
    written = {"backend": "socket", "id": "c0", "path": " /tmp/a,b=c "}
    assert socket("-chardev", json.dumps(written)).path == " /tmp/a,b=c "


@pytest.mark.parametrize("line", [PRIMARY, SECONDARY, FULL])
def test_a_command_line_printed_and_parsed_is_the_same(line: str) -> None:
    configuration = parse(line)
    printed = [
        word
        for each in configuration.definitions
        for word in (f"-{each.option}", f"{each.type.name},{join(declare.unparse(each.properties))}")
    ]
    assert gist(parse_words(*printed)) == gist(configuration)


@given(st.lists(st.text(max_size=12) | st.sampled_from(["-chardev", "--object=", "null,id=a", "help"]), max_size=6))
def test_any_words_are_taken_refused_or_answered(words: list[str]) -> None:
    refusal = ""
    with contextlib.suppress(HelpWanted):
        try:
            parse_arguments(words, Registry())
        except OptionError as error:
            refusal = str(error)
    assert refusal.isprintable()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("nonsense",), "'nonsense' is not an option"),
        (("-nonsense", "x"), "-nonsense: there is no such option"),
        (("-object",), "-object: a value must follow"),
        (("-object", "-chardev"), "-object: a value must follow"),
        (("-object", "id=x"), "-object id=x: the type is missing"),
        (("-object", "{"), "-object {: not JSON"),
        (("-object", '{"qom-type": []}'), "property 'qom-type' takes a JSON string"),
    ],
)
def test_errors_in_the_words_themselves(words: tuple[str, ...], what: str) -> None:
    """All other texts: test_errors."""
    assert what in error_of(*words)


def test_a_file_holds_options_too(tmp_path: Path) -> None:
    config = tmp_path / "colo.conf"
    config.write_text('[chardev "red0"]\n backend = "socket"\n host = "10.22.1.2"\n port = "9003"\n')
    assert socket("-readconfig", str(config)) == RED0
    config.write_text("[nonsense]\n")
    assert "there is no such group" in error_of("-readconfig", str(config))
    assert "No such file" in error_of("-readconfig", f"{config}.none")


# help


@pytest.mark.parametrize("word", ["-help", "--help", "-h", "--h", "-?"])
def test_help_is_the_usage(word: str) -> None:
    assert help_of(word) == USAGE
    assert help_of("-chardev", "null,id=c0", word, "nonsense") == USAGE


def test_the_usage_names_every_option() -> None:
    for option in (*OPTIONS, "help", "chrdev"):
        assert f"-{option}" in USAGE


@pytest.mark.parametrize("option", list(TYPE_KEYS))
def test_help_of_an_option_lists_its_types(option: str) -> None:
    text = help_of(f"-{option}", "help")
    assert text == help_of(f"--{option}=help")
    first, *lines = text.splitlines()
    assert first == f"-{option} TYPE,id=ID,...; the types:"
    types = Registry().all(option)
    assert [line.split()[0] for line in lines] == sorted(types)
    for line in lines:
        assert types[line.split()[0]].summary in line


@pytest.mark.parametrize("option", list(TYPE_KEYS))
def test_help_of_a_type_lists_its_properties(option: str) -> None:
    for name, found in Registry().all(option).items():
        first, *lines = help_of(f"-{option}", f"{name},help").splitlines()
        assert first == f"-{option} {name}: {found.summary}"
        assert lines == list(declare.help_lines(found.properties))


def test_help_of_a_type_is_given_whatever_else_is_wrong() -> None:
    assert help_of("-chardev", "socket,nonsense=1,help") == help_of("-chardev", "socket,help")


def test_types_come_from_whoever_is_asked() -> None:
    class Types:
        """Knows one type under another name."""

        def find(self, option: str, name: str) -> Any:
            assert (option, name) == ("chardev", "nothing")
            return Registry().find("chardev", "null")

        def all(self, option: str) -> Any:
            return {}

    assert only(parse_arguments(["-chardev", "nothing,id=c0"], Types())).id == "c0"

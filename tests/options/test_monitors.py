"""-qmp, -qmp-pretty, -mon and -name: every way to write them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.chardev.socket import SocketProperties
from colo_twisted.control.properties import MonitorProperties
from colo_twisted.options.configuration import Configuration
from colo_twisted.options.errors import OptionError
from colo_twisted.options.keyval import join
from colo_twisted.options.monitors import QMP_OPTIONS, qmp_pairs
from tests.options.lines import error_of, gist, help_of, parse_words

MON = MonitorProperties(chardev="compat_monitor0", mode="control")
NULL = ("-chardev", "null,id=c0")
CHARDEV = ("-chardev", "socket,id=c0,path=/tmp/s,server=on")


def one_of_each(configuration: Configuration) -> tuple[SocketProperties, MonitorProperties]:
    chardev, monitor = configuration.definitions
    assert (chardev.option, chardev.type.name, monitor.option, monitor.type.name) == (
        "chardev",
        "socket",
        "mon",
        "control",
    )
    assert chardev.source == monitor.source
    assert isinstance(chardev.properties, SocketProperties)
    assert isinstance(monitor.properties, MonitorProperties)
    return chardev.properties, monitor.properties


def address(**properties: object) -> SocketProperties:
    return SocketProperties(id="compat_monitor0", **properties)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "chardev"),
    [
        ("unix:/tmp/s,server,nowait", address(path="/tmp/s", server=True, wait=False)),
        ("unix:/tmp/s,server=on,wait=off", address(path="/tmp/s", server=True, wait=False)),
        ("unix:/tmp/s,server", address(path="/tmp/s", server=True)),
        ("unix:/tmp/s", address(path="/tmp/s")),
        ("unix:/tmp/a,,b=c,server", address(path="/tmp/a,b=c", server=True)),
        ("unix:/tmp/a:b", address(path="/tmp/a:b")),
        ("tcp:127.0.0.1:4444,server=on,wait=off", address(host="127.0.0.1", port=4444, server=True, wait=False)),
        ("tcp:[::1]:4444,server=on,wait=off", address(host="::1", port=4444, server=True, wait=False)),
        ("tcp::4444,server", address(port=4444, server=True)),
        ("tcp:localhost:4444,reconnect=3", address(host="localhost", port=4444, reconnect=3)),
        ("tcp:h:1,server,to=9", address(host="h", port=1, to=9, server=True)),
    ],
)
def test_qmp_is_a_chardev_and_a_monitor(text: str, chardev: SocketProperties) -> None:
    assert one_of_each(parse_words("-qmp", text)) == (chardev, MON)
    assert one_of_each(parse_words(f"--qmp={text}")) == (chardev, MON)


def test_qmp_pretty_is_the_same_but_pretty() -> None:
    _, monitor = one_of_each(parse_words("-qmp-pretty", "unix:/tmp/s,server"))
    assert monitor == MonitorProperties(chardev="compat_monitor0", mode="control", pretty=True)


def test_insecure_is_the_monitors() -> None:
    chardev, monitor = one_of_each(parse_words("-qmp", "tcp::1,server,insecure=on"))
    assert chardev == address(port=1, server=True)
    assert monitor.insecure
    assert one_of_each(parse_words("-qmp", "tcp::1,insecure,server"))[1].insecure


def test_several_are_numbered_in_order() -> None:
    words = ("-qmp", "unix:/tmp/a,server", "-qmp", "none", "-qmp-pretty", "unix:/tmp/b,server", "-qmp", "unix:/tmp/c")
    definitions = parse_words(*CHARDEV, "-mon", "c0,mode=control", *words).definitions
    assert [each.properties.id for each in definitions[2:]] == [
        f"compat_monitor{number}" for number in (0, 0, 1, 1, 2, 2)
    ]


def test_none_is_none() -> None:
    assert gist(parse_words("-qmp", "none", *NULL)) == gist(parse_words(*NULL))


@pytest.mark.parametrize(
    ("text", "monitor"),
    [
        ("chardev=c0,mode=control", MonitorProperties(chardev="c0", mode="control")),
        ("c0,mode=control", MonitorProperties(chardev="c0", mode="control")),
        ("c0,mode=control,pretty", MonitorProperties(chardev="c0", mode="control", pretty=True)),
        ("mode=control,chardev=c0,id=m", MonitorProperties(id="m", chardev="c0", mode="control")),
        ("c0,mode=control,insecure=on", MonitorProperties(chardev="c0", mode="control", insecure=True)),
        (
            '{"chardev": "c0", "mode": "control", "pretty": true}',
            MonitorProperties(chardev="c0", mode="control", pretty=True),
        ),
    ],
)
def test_a_monitor_at_a_chardev(text: str, monitor: MonitorProperties) -> None:
    _, definition = parse_words(*CHARDEV, "-mon", text).definitions
    assert definition.properties == monitor
    assert definition.properties.id == (text.partition("id=")[2] or "c0")


def test_files_have_monitors_and_names_too(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text(
        '[name]\n guest = "fred"\n[chardev "c0"]\n backend = "socket"\n path = "/tmp/s"\n server = "on"\n'
        '[mon "m"]\n chardev = "c0"\n mode = "control"\n'
    )
    configuration = parse_words("-readconfig", str(file))
    assert configuration.name == "fred"
    assert configuration.definitions[1].properties == MonitorProperties(id="m", chardev="c0", mode="control")


@pytest.mark.parametrize("text", ["fred", "guest=fred", "fred,process=x,debug-threads=on", "guest=nobody,guest=fred"])
def test_a_name(text: str) -> None:
    assert parse_words("-name", text, *NULL).name == "fred"


def test_nameless() -> None:
    assert parse_words(*NULL).name is None


TAKES = (
    "takes unix:PATH or tcp:HOST:PORT, with server=on,wait=off behind it (for a chardev that is there: -mon), or none"
)
MODE = "control only: it speaks QMP; QEMU's prompt for people is not here"


@pytest.mark.parametrize(
    ("option", "text", "error"),
    [
        ("-qmp", "stdio", f"{TAKES}; got 'stdio'"),
        ("-qmp", "chardev:c0", f"{TAKES}; got 'chardev:c0'"),
        ("-qmp", "telnet:127.0.0.1:1,server", f"{TAKES}; got 'telnet:127.0.0.1:1'"),
        ("-qmp-pretty", '{"backend":"null"}', f'{TAKES}; got \'{{"backend":"null"}}\''),
        ("-qmp", "", f"{TAKES}; got ''"),
        ("-qmp", "help", f"{TAKES}; got 'help'"),
        ("-qmp", "tcp:h", "takes tcp:HOST:PORT, with an IPv6 host in brackets; got 'tcp:h'"),
        ("-qmp", "unix:,server", "property 'path' takes a path; got ''"),
        ("-qmp", "tcp::1", "property 'host' is missing: where to connect"),
        (
            "-qmp",
            "unix:/tmp/s,wait=off,tls-creds=t",
            "property 'tls-creds' takes no value here: TLS is not available yet; got 't'",
        ),
        ("-qmp", "unix:/none/s,server", "property 'path': there is no folder /none"),
        ("-qmp", "unix:/tmp/s,insecure=maybe", "property 'insecure' takes on or off; got 'maybe'"),
        ("-mon", "c0", f"property 'mode' is missing: {MODE}"),
        ("-mon", "chardev=c0,mode=readline", f"property 'mode' takes {MODE}; got 'readline'"),
        ("-mon", "mode=control", "property 'chardev' is missing: the id of a chardev"),
        ("-mon", "c1,mode=control", "property 'chardev': there is no chardev 'c1' (there are: c0)"),
        (
            "-mon",
            "c0,mode=control,foo=1",
            "there is no property 'foo' (there are: chardev, id, insecure, mode, pretty)",
        ),
        ("-name", "", "property 'guest' is missing: a name"),
        ("-name", "fred,foo=1", "there is no property 'foo' (there are: debug-threads, guest, id, process)"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(option: str, text: str, error: str) -> None:
    assert error_of(*CHARDEV, option, text) == f"{option} {text}: {error}"


def test_a_chardev_has_one_user() -> None:
    mirror = ("-netdev", "tap,id=hn0,script=no", "-object", "filter-mirror,id=m0,netdev=hn0,outdev=c0")
    assert "chardev 'c0' is taken by property 'outdev' of 'm0'" in error_of(
        *CHARDEV, *mirror, "-mon", "c0,mode=control"
    )
    monitors = ("-mon", "c0,mode=control", "-mon", "c0,mode=control,pretty=on")
    assert error_of(*CHARDEV, *monitors) == (
        "-mon c0,mode=control,pretty=on: the id 'c0' is taken by -mon c0,mode=control"
    )


def test_a_socket_file_has_one_listener() -> None:
    assert "unix socket /tmp/s is taken by -chardev" in error_of(*CHARDEV, "-qmp", "unix:/tmp/s,server")


def test_help_of_a_monitor_lists_its_properties() -> None:
    assert help_of("-mon", "help") == help_of("-mon", "c0,help")
    first, *lines = help_of("-mon", "help").splitlines()
    assert first == "-mon: QMP for any number of clients"
    assert [line.split("=")[0].strip() for line in lines] == ["id", "chardev", "pretty", "insecure", "mode"]


@given(st.sampled_from(QMP_OPTIONS), st.text(max_size=20) | st.text(max_size=20).map("unix:{}".format))
def test_any_text_is_taken_or_refused(option: str, text: str) -> None:
    try:
        chardev, monitor = qmp_pairs(option, text, 7)
    except OptionError:
        return
    assert "compat_monitor7" in join(chardev)
    assert "mode=control" in join(monitor)

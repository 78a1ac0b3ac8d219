"""Options and makeService as another application uses them, and what twistd's use changes."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.application.service import IService, MultiService
from twisted.internet import defer
from twisted.plugin import IPlugin, getPlugins
from twisted.python import usage
from twisted.scripts._twistd_unix import ServerOptions, UnixApplicationRunner

from colo_twisted import __version__, plugin
from colo_twisted.machine import Machine
from colo_twisted.options import StartError
from colo_twisted.plugin import Options, makeService
from tests.support.processes import PATIENCE, TWISTD, Process

ROOT = Path(__file__).parents[1]
ETC = ROOT / "etc"
NETDEVS = [word for id in ("n0", "n1", "n2") for word in ("-netdev", f"stream,id={id},addr.type=unix,addr.path=x")]
TWO_DEVICES = [*NETDEVS, "-device", "e1000,netdev=n0,guest=n1", "-device", "e1000,netdev=n0,guest=n2"]


def parsed(*words: str) -> Options:
    options = Options()
    options.parseOptions(list(words))
    return options


def under_twistd() -> Options:
    """As twistd makes them: with its own options as the parent."""
    options = Options()
    options.parent = ServerOptions()
    options.parent.parseOptions(["-n"])
    return options


# in another application


def test_options_hold_what_the_words_ask_for() -> None:
    options = parsed("-chardev", "null,id=c0", "--netdev=socket,id=n0,connect=h:1")
    assert [definition.properties.id for definition in options.configuration.definitions] == ["c0", "n0"]


def test_without_words_the_command_line_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["an application", "-chardev", "null,id=c0"])
    options = Options()
    options.parseOptions()
    assert [definition.properties.id for definition in options.configuration.definitions] == ["c0"]


def test_what_is_wrong_with_options_is_raised() -> None:
    with pytest.raises(usage.UsageError, match=r"^-chardev nil,id=c0: there is no type 'nil' \(there are: .*\)$"):
        parsed("-chardev", "nil,id=c0")


def test_what_does_not_fit_together_is_raised() -> None:
    with pytest.raises(StartError, match="property 'netdev': 'n0' has a device"):
        makeService(parsed(*TWO_DEVICES))


def test_help_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parsed("-help")
    assert end.value.code == 0
    assert capsys.readouterr().out == f"{Options().getUsage()}\n"


def test_the_service_is_the_machine_itself_and_no_signal_is_taken() -> None:
    service = makeService(parsed("-chardev", "null,id=c0"))
    assert IService.providedBy(service)
    assert isinstance(service, Machine)
    assert set(service.chardevs) == {"c0"}


@pytest_twisted.inlineCallbacks
def test_it_lives_and_ends_with_the_application(tmp_path: Path) -> Generator[defer.Deferred[Any], Any, None]:
    path = tmp_path / "c0"
    application = MultiService()
    proxy = makeService(parsed("-chardev", f"socket,id=c0,path={path},server,nowait"))
    proxy.setServiceParent(application)
    assert not path.exists()
    application.privilegedStartService()
    assert path.exists()
    application.startService()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    yield application.stopService()
    assert not path.exists()


@pytest_twisted.inlineCallbacks
def test_it_can_be_started_into_a_running_application(tmp_path: Path) -> Generator[defer.Deferred[Any], Any, None]:
    path = tmp_path / "c0"
    application = MultiService()
    application.startService()
    proxy = makeService(parsed("-chardev", f"socket,id=c0,path={path},server,nowait"))
    proxy.setServiceParent(application)
    assert path.exists()
    yield defer.maybeDeferred(proxy.disownServiceParent)
    assert not path.exists()


@pytest_twisted.inlineCallbacks
def test_what_cannot_be_opened_is_raised_and_the_rest_is_given_back(
    tmp_path: Path,
) -> Generator[defer.Deferred[Any], Any, None]:
    (tmp_path / "file").touch()
    words = [f"socket,id=c{number},path={tmp_path / name},server,nowait" for number, name in enumerate(("c0", "file"))]
    proxy = makeService(parsed("-chardev", words[0], "-chardev", words[1]))
    with pytest.raises(
        StartError, match=r"^chardev c1: cannot listen on unix:.*/file: a file that is not a socket stands there$"
    ):
        proxy.privilegedStartService()
    yield a_turn_of_the_reactor()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def a_turn_of_the_reactor() -> defer.Deferred[None]:
    """Fires after the reactor has done what it put off."""
    from twisted.internet import reactor, task

    return task.deferLater(reactor, 0, lambda: None)  # type: ignore[arg-type]


# under twistd


def test_the_plugin_file_names_them() -> None:
    (maker,) = (found for found in getPlugins(IPlugin) if getattr(found, "tapname", None) == "colo")
    assert maker.options is Options
    assert maker.makeService is makeService


def test_what_is_wrong_with_options_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        under_twistd().parseOptions(["-chardev", "nil,id=c0"])
    assert end.value.code == 1
    assert re.fullmatch("twistd colo: -chardev nil,id=c0: there is no type .*\n", capsys.readouterr().err)


def test_what_does_not_fit_together_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    options = under_twistd()
    options.parseOptions(TWO_DEVICES)
    with pytest.raises(SystemExit) as end:
        makeService(options)
    assert end.value.code == 1
    assert re.fullmatch(
        "twistd colo: -device e1000,netdev=n0,guest=n2: property 'netdev': .*\n", capsys.readouterr().err
    )


_SET_BACK = """
import time
behind = [0.0]
wall = time.time
time.time = lambda: wall() - behind[0]
from tests.test_plugin import makeService, under_twistd
options = under_twistd()
options.parseOptions(["-chardev", "null,id=c0"])
makeService(options)
from twisted.internet import reactor
reactor.callLater(0.1, behind.__setitem__, 0, 3600.0)
reactor.callLater(0.2, reactor.stop)
reactor.run()
"""


def test_timers_run_though_the_wall_clock_is_set_back() -> None:
    """Else no heartbeat is sent for an hour."""
    subprocess.run([sys.executable, "-c", _SET_BACK], check=True, timeout=PATIENCE, cwd=ETC.parent)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_a_daemon_s_shell_is_told_is_never_cut_by_twistd(text: str) -> None:
    line = "".join(text.split()) or "x"
    told = UnixApplicationRunner._formatChildException(None, plugin._short(line)).decode()
    shown = told.removeprefix("1 colo: ")
    in_ascii = "".join(character if character.isascii() else "?" for character in line)
    assert shown == in_ascii or (shown.endswith("...") and in_ascii.startswith(shown[:-3]) and len(shown) > 80)


def test_the_hook_prints_the_line_and_leaves_other_errors_alone(capfd: pytest.CaptureFixture[str]) -> None:
    others: list[BaseException] = []
    hook = plugin._quiet_about(StartError("x"), "the line", lambda kind, error, trace: others.append(error))
    hook(plugin.colo, plugin.colo("x"), None)
    assert capfd.readouterr().err == "the line\n"
    strange = ValueError("another")
    hook(ValueError, strange, None)
    assert others == [strange]
    assert capfd.readouterr().err == ""


# the example


def test_the_example_application_runs_with_its_second_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c0"
    configuration = tmp_path / "colo.conf"
    configuration.write_text(
        f'[chardev "c0"]\n  backend = "socket"\n  path = "{path}"\n  server = "on"\n  wait = "off"\n'
    )
    port = free_port()
    monkeypatch.setenv("COLO_CONFIG", str(configuration))
    monkeypatch.setenv("COLO_PAGE", f"tcp:{port}:interface=127.0.0.1")
    with an_example(tmp_path) as example:
        example.wait_for_output("colo: running")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            example.wait_for_output("chardev c0: connected to")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as page:
                assert re.fullmatch(rb"  chardev c0 +connects=1\n", page.read())
        example.stop()
    assert not path.exists()
    assert not (tmp_path / "pid").exists()


def test_the_example_application_ends_with_one_line_for_wrong_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "colo.conf"
    configuration.write_text('[chardev "c0"]\n  backend = "nil"\n')
    monkeypatch.setenv("COLO_CONFIG", str(configuration))
    with an_example(tmp_path) as example:
        assert example.popen.wait(PATIENCE) == 1
    assert re.fullmatch(f"colo.tac: -readconfig {configuration}:1: .*there is no type 'nil' .*\n", example.output)


def an_example(folder: Path) -> Process:
    return Process([TWISTD, "-n", f"--pidfile={folder}/pid", "-y", str(ETC / "colo.tac")], folder / "log")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_as_a_subcommand_of_another_program_it_raises_like_anywhere_else() -> None:
    class Program(usage.Options):
        subCommands = [["colo", None, Options, "the proxy"]]

    program = Program()
    program.parseOptions(["colo", "-chardev", "null,id=c0"])
    assert isinstance(makeService(program.subOptions), Machine)
    with pytest.raises(usage.UsageError, match="there is no such option"):
        Program().parseOptions(["colo", "-frobnicate"])


def test_the_version_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(["-version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"colo_twisted {__version__}\n"


def test_each_package_is_named_to_be_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    named = re.findall(r'^    "(colo_twisted[.a-z_]*)",$', text, re.MULTILINE)
    there = [".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "colo_twisted").rglob("__init__.py")]
    assert named == sorted(there)

"""A start that fails, with -n and as a daemon: one line that says why, exit status 1, and nothing left behind."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.daemons import FailedStart, fail_as_daemon, fail_in_foreground
from tests.support.namespaces import Host, Hosts, need
from tests.support.processes import Colo

LINE = re.compile(r"twistd colo: (.*)\n")


@dataclass(frozen=True)
class Place:
    """Where starts fail: a host on which some names are taken, and a folder."""

    host: Host
    folder: Path
    live_path: Path

    def entries(self) -> set[str]:
        """The files in the folder, but for what the start says."""
        said = {"colo.log", "colo.shell", "colo.statuses"}
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")} - said

    def interfaces(self) -> set[str]:
        return set(re.findall(r"^\d+: ([^:@]+)", self.host.ip("-o link"), re.MULTILINE))


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Path]]:
    """A host on which another proxy has TCP port 9003, a unix path, an abstract name and the TAP busy0."""
    need("ip")
    folder = tmp_path_factory.mktemp("taken")
    path = folder / "live"
    words = [
        *("-chardev", "socket,id=a,host=127.0.0.1,port=9003,server,nowait"),
        *("-chardev", f"socket,id=b,path={path},server,nowait"),
        *("-chardev", "socket,id=c,path=busy,abstract,server,nowait"),
        *("-netdev", "tap,id=hn0,ifname=busy0,script=no,downscript=no"),
    ]
    with Hosts() as hosts:
        host = hosts.add("taken")
        with Colo(words, folder, namespace=host.name):
            yield host, path


@pytest.fixture
def place(taken: tuple[Host, Path], tmp_path: Path) -> Place:
    host, live_path = taken
    return Place(host, tmp_path, live_path)


def script(path: Path, *lines: str) -> Path:
    """A shell script that may be run."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


Arguments = Callable[[Place], list[str]]


def words(line: str) -> Arguments:
    """The words of a line in which {folder} and {live} stand for the place's."""
    return lambda place: [word.format(folder=place.folder, live=place.live_path) for word in line.split()]


def with_file(name: str, line: str) -> Arguments:
    """The same, where a regular file of that name stands in the folder."""

    def make(place: Place) -> list[str]:
        (place.folder / name).write_text("not a script, nor a socket\n")
        return words(line)(place)

    return make


def with_script(name: str, does: str, line: str) -> Arguments:
    """The same, where a script of that name stands in the folder."""

    def make(place: Place) -> list[str]:
        script(place.folder / name, does)
        return words(line)(place)

    return make


TAP = "-netdev tap,id=hn0,ifname=t0,script=no,downscript=no"

# what is wrong: the arguments, and what the line must say, in full
AT_PARSE: dict[str, tuple[Arguments, str]] = {
    "no such option": (words("-frobnicate x"), r"-frobnicate: there is no such option \(there are: .*\)"),
    "no option at all": (words("colo"), r"'colo' is not an option \(.*\)"),
    "no value": (words("-chardev"), r"-chardev: a value must follow \(.*\)"),
    "no such type": (
        words("-object filter-mirrow,id=m0"),
        r"-object filter-mirrow,id=m0: there is no type 'filter-mirrow' \(there are: .*filter-mirror.*\)",
    ),
    "no such netdev": (
        words("-object filter-drop,id=d0,netdev=hn7"),
        r"-object filter-drop,id=d0,netdev=hn7: property 'netdev': there is no netdev 'hn7' \(there are: none\)",
    ),
    "no folder": (
        words("-chardev socket,id=c0,path={folder}/none/c0,server"),
        r"-chardev socket,id=c0,path=.*: property 'path': there is no folder .*/none",
    ),
    "no up script": (
        words("-netdev tap,id=hn0,script={folder}/none"),
        r"-netdev tap,.*: property 'script': there is no file .*/none \('no' runs none\)",
    ),
    "up script not executable": (
        with_file("up", "-netdev tap,id=hn0,script={folder}/up"),
        r"-netdev tap,.*: property 'script': .*/up is not executable \(chmod \+x .*/up\)",
    ),
    "no bridge": (
        words("-netdev tap,id=hn0,br=none0"),
        r"-netdev tap,id=hn0,br=none0: property 'br': there is no bridge none0 \(.*\)",
    ),
    "no descriptor": (
        words("-netdev tap,id=hn0,fd=999"),
        r"-netdev tap,id=hn0,fd=999: property 'fd': this process has no descriptor 999",
    ),
    "no configuration file": (
        words("-readconfig {folder}/none"),
        r"-readconfig .*/none: No such file or directory",
    ),
}
AT_WIRING: dict[str, tuple[Arguments, str]] = {
    "two devices": (
        words(f"{TAP} -device e1000,id=g0,netdev=hn0 -device e1000,id=g1,netdev=hn0"),
        r"-device e1000,id=g1,netdev=hn0: property 'netdev': 'hn0' has a device \(one each\)",
    ),
    "a device in a guest": (
        words(f"{TAP} -netdev tap,id=g -netdev tap,id=h -device e1000,netdev=hn0,guest=g -device e1000,netdev=g"),
        r"-device e1000,netdev=g: property 'netdev': 'g' is a guest's, nothing plugs into it",
    ),
    "a place behind nobody": (
        words(f"{TAP} -object filter-drop,id=d0,netdev=hn0,position=id=x0"),
        r"-object \.\.\.,id=d0: property 'position': there is no filter on netdev 'hn0' that 'id=x0' could stand for",
    ),
}
AT_OPENING: dict[str, tuple[Arguments, str]] = {
    "port in use": (
        words("-chardev socket,id=c0,host=127.0.0.1,port=9003,server"),
        r"chardev c0: cannot listen on tcp:127\.0\.0\.1:9003: Address already in use",
    ),
    "all ports in use": (
        words("-chardev socket,id=c0,host=127.0.0.1,port=9003,to=9003,server"),
        r"chardev c0: cannot listen on tcp:127\.0\.0\.1:9003-9003: Address already in use",
    ),
    "netdev's port in use": (
        words("-netdev socket,id=n0,listen=127.0.0.1:9003"),
        r"netdev n0: cannot listen on tcp:127\.0\.0\.1:9003: Address already in use",
    ),
    "another host's address": (
        words("-chardev socket,id=c0,host=192.0.2.1,port=9003,server"),
        r"chardev c0: cannot listen on tcp:192\.0\.2\.1:9003: Cannot assign requested address",
    ),
    "unix path of a live process": (
        words("-chardev socket,id=c0,path={live},server"),
        r"chardev c0: cannot listen on unix:.*/live: another process listens there",
    ),
    "abstract name of a live process": (
        words("-chardev socket,id=c0,path=busy,abstract,server"),
        r"chardev c0: cannot listen on unix:@busy: Address already in use",
    ),
    "unix path is a file": (
        with_file("c0", "-chardev socket,id=c0,path={folder}/c0,server"),
        r"chardev c0: cannot listen on unix:.*/c0: a file that is not a socket stands there",
    ),
    "TAP in use": (
        words("-netdev tap,id=hn0,ifname=busy0,script=no,downscript=no"),
        r"-netdev tap,id=hn0: TAP busy0: Device or resource busy \(another process has it open\)",
    ),
    "an interface that is no TAP": (
        words("-netdev tap,id=hn0,ifname=lo,script=no,downscript=no"),
        r"-netdev tap,id=hn0: TAP lo: Invalid argument \(an interface of that name may exist that is no TAP.*\)",
    ),
    "up script fails": (
        with_script(
            "up", "echo working on it; echo no bridge today >&2; exit 3", "-netdev tap,id=hn0,script={folder}/up"
        ),
        r"-netdev tap,id=hn0: script .*/up tap0 exited with 3: no bridge today",
    ),
    "up script has no interpreter": (
        with_file("up", "-netdev tap,id=hn0,script={folder}/up"),
        r"-netdev tap,id=hn0: script .*/up tap0 could not be run: Exec format error",
    ),
    "not a bridge": (
        words("-netdev tap,id=hn0,ifname=t0,br=lo"),
        r"-netdev tap,id=hn0: setting up t0: Operation not supported",
    ),
    "dump file is a folder": (
        words("-netdev tap,id=hn0,ifname=t0 -object filter-dump,id=d0,netdev=hn0,file={folder}"),
        r"-object filter-dump,id=d0: property 'file': .*: Is a directory",
    ),
    "the guest's TAP in use": (
        words(f"{TAP} -device e1000,id=busy0,netdev=hn0"),
        r"-device \.\.\.,id=busy0: TAP busy0: Device or resource busy \(another process has it open\)",
    ),
}


def prepare(case: tuple[Arguments, str], place: Place) -> tuple[list[str], str]:
    arguments, says = case
    made = arguments(place)
    if "Exec format" in says:
        (place.folder / "up").chmod(0o755)
    return made, says


def the_one_line(text: str) -> str:
    """The line of ours, which must be all that was printed."""
    match = LINE.fullmatch(text)
    assert match, f"expected one line; got:\n{text}"
    return match[1]


def check_silence(start: FailedStart) -> None:
    assert start.status == 1
    for text in (start.stdout, start.stderr, start.log):
        assert "Traceback" not in text
        assert "Usage" not in text
        assert "Unhandled" not in text


EARLY = AT_PARSE | AT_WIRING
BOTH_WAYS = pytest.mark.parametrize("fail", [fail_in_foreground, fail_as_daemon], ids=["foreground", "daemon"])


@pytest.mark.parametrize(
    ("wrong", "fail"),
    [
        *((wrong, fail_in_foreground) for wrong in EARLY),
        *((wrong, fail_as_daemon) for wrong in ("no such type", "no folder", "two devices")),
    ],
)
def test_before_anything_is_opened_the_line_is_all(wrong: str, fail: Callable[..., FailedStart], place: Place) -> None:
    arguments, says = prepare(EARLY[wrong], place)
    before = place.entries(), place.interfaces()
    start = fail(arguments, place.folder, place.host.name)
    check_silence(start)
    assert re.fullmatch(says, the_one_line(start.stderr))
    assert (start.stdout, start.log) == ("", "")
    assert (place.entries(), place.interfaces()) == before


@pytest.mark.parametrize("wrong", AT_OPENING)
def test_what_cannot_be_opened_is_one_line_on_stderr(wrong: str, place: Place) -> None:
    arguments, says = prepare(AT_OPENING[wrong], place)
    before = place.entries(), place.interfaces()
    start = fail_in_foreground(arguments, place.folder, place.host.name)
    check_silence(start)
    assert re.fullmatch(says, the_one_line(start.stderr))
    assert (place.entries(), place.interfaces()) == before


@pytest.mark.parametrize("wrong", AT_OPENING)
def test_what_a_daemon_cannot_open_is_in_its_log_and_its_beginning_in_the_shell(wrong: str, place: Place) -> None:
    arguments, says = prepare(AT_OPENING[wrong], place)
    before = place.entries(), place.interfaces()
    start = fail_as_daemon(arguments, place.folder, place.host.name)
    check_silence(start)
    (line,) = (found[1] for found in LINE.finditer(start.log))
    assert re.fullmatch(says, line)
    check_shell(start.stderr, line)
    assert (place.entries(), place.interfaces()) == before


def check_shell(text: str, line: str) -> None:
    """twistd's own two lines, with as much of ours as twistd passes on."""
    shown = re.fullmatch(r"An error has occurred: b(['\"])colo: (.*)\1\nPlease look at log file.*\n", text)
    assert shown, text
    beginning = shown[2].replace("\\'", "'")
    assert line == beginning or line.startswith(beginning.removesuffix("..."))
    assert len(beginning) > 30


# what was opened before is given back


def several(place: Place, last: str) -> list[str]:
    """A unix socket and two TAPs with scripts, and then what fails."""
    folder = place.folder
    up = script(folder / "up", f'ip link set "$1" up && echo up "$1" >>{folder}/scripts')
    down = script(folder / "down", f'ip link set "$1" down && echo down "$1" >>{folder}/scripts')
    both = f"script={up},downscript={down}"
    line = (
        f"-chardev socket,id=c0,path={folder}/c0,server,nowait -chardev socket,id=c1,host=127.0.0.1,port=0,server"
        f" -netdev tap,id=hn0,ifname=t0,{both} -netdev tap,id=hn1,ifname=t1,{both} -device e1000,id=g0,netdev=hn0"
    )
    return [*line.split(), *last.split()]


@BOTH_WAYS
@pytest.mark.parametrize(
    "last",
    ["-object filter-dump,id=d0,netdev=hn0,file=/", "-netdev tap,id=hn2,ifname=busy0,script=no,downscript=no"],
    ids=["object", "netdev"],
)
def test_what_was_opened_before_is_given_back(last: str, fail: Callable[..., FailedStart], place: Place) -> None:
    arguments = several(place, last)
    before = place.interfaces()
    start = fail(arguments, place.folder, place.host.name)
    check_silence(start)
    assert place.interfaces() == before
    assert place.entries() == {"up", "down", "scripts"}
    assert (place.folder / "scripts").read_text().splitlines() == ["up t0", "up t1", "down t0", "down t1"]


@BOTH_WAYS
def test_a_downscript_that_fails_then_is_named_and_keeps_nothing(
    fail: Callable[..., FailedStart], place: Place
) -> None:
    up = script(place.folder / "up", "exit 0")
    down = script(place.folder / "down", "echo the switch is deaf", "exit 5")
    line = f"-netdev tap,id=hn0,ifname=t0,script={up},downscript={down} -object filter-dump,id=d0,netdev=hn0,file=/"
    before = place.interfaces()
    start = fail(line.split(), place.folder, place.host.name)
    check_silence(start)
    assert f"netdev hn0: downscript {down} t0 exited with 5: the switch is deaf" in start.log
    assert place.interfaces() == before
    assert place.entries() == {"up", "down"}


def test_a_failing_up_script_is_not_followed_by_the_downscript(place: Place) -> None:
    up = script(place.folder / "up", "exit 1")
    down = script(place.folder / "down", f"touch {place.folder}/was-down")
    start = fail_in_foreground(
        ["-netdev", f"tap,id=hn0,ifname=t0,script={up},downscript={down}"], place.folder, place.host.name
    )
    assert the_one_line(start.stderr) == f"-netdev tap,id=hn0: script {up} t0 exited with 1"
    assert place.entries() == {"up", "down"}


@BOTH_WAYS
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/dev/null", r"-netdev tap,id=hn0: fd \d+: Inappropriate ioctl for device \(that is no TAP\)"),
        ("/dev/net/tun", r"-netdev tap,id=hn0: fd \d+: File descriptor in bad state \(no TAP belongs to it yet\)"),
    ],
)
def test_a_descriptor_that_is_no_tap(path: str, says: str, fail: Callable[..., FailedStart], place: Place) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        arguments = ["-netdev", f"tap,id=hn0,fd={descriptor}"]
        start = fail(arguments, place.folder, place.host.name, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)
    check_silence(start)
    (line,) = (found[1] for found in LINE.finditer(start.stderr if fail is fail_in_foreground else start.log))
    assert re.fullmatch(says, line)


@BOTH_WAYS
def test_a_descriptor_that_does_not_listen(fail: Callable[..., FailedStart], place: Place) -> None:
    one, other = socket.socketpair()
    with one, other:
        arguments = ["-chardev", f"socket,id=c0,fd={one.fileno()},server,nowait"]
        start = fail(arguments, place.folder, place.host.name, pass_fds=(one.fileno(),))
        says = f"chardev c0: cannot use fd:{one.fileno()}: that socket does not listen"
    check_silence(start)
    (line,) = (found[1] for found in LINE.finditer(start.stderr if fail is fail_in_foreground else start.log))
    assert line == says


# what only looks like a failure


def test_a_stale_unix_socket_is_replaced(place: Place) -> None:
    path = place.folder / "c0"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    with (
        Colo(["-chardev", f"socket,id=c0,path={path},server,nowait"], place.folder) as colo,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(str(path))
        colo.wait_for_output("chardev c0: connected to")
        assert colo.stop() == 0
    assert not path.exists()

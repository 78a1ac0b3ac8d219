"""The fence scripts in etc/ and a guest's watch, against real processes, namespaces and a TAP."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from colo_twisted.failover.fence import Fence, FenceCounters, Victim
from colo_twisted.failover.guest_watch import LOOK_SECONDS, Asked, FarEnd, GuestWatch, KernelProcesses, Pidfile, Watched
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.reporting import Reporter
from tests.support.fakes import FakeMachine
from tests.support.namespaces import Host, Hosts, need
from tests.support.processes import wait_until
from tests.support.turns import until

Waiting = Generator[Any, Any, None]
ETC = Path(__file__).parents[2] / "etc"
PATIENCE = 20.0


def is_alive(pid: int) -> bool:
    return KernelProcesses().began(pid) is not None


class Programs:
    """What a test starts, each in a session of its own; killed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []
        self.others: list[int] = []  # that those have started, in sessions of their own

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        popen = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **environment}
        )
        self.started.append(popen)
        return popen

    def proxy(self, name: str, script: str = "exec sleep 600") -> subprocess.Popen[bytes]:
        """Stands for a twistd: it writes its pidfile, then does what the script says."""
        popen = self.start("sh", "-c", f"echo $$ >{self.pidfile(name)}.new; mv {name}.pid.new {name}.pid; {script}")
        wait_until(lambda: self.pidfile(name).exists(), f"the pidfile of {name}")
        return popen

    def pidfile(self, name: str) -> Path:
        return self.folder / f"{name}.pid"

    def end(self) -> None:
        for pid in filter(is_alive, self.others):
            os.kill(pid, signal.SIGKILL)
        for popen in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    monkeypatch.chdir(tmp_path)
    made = Programs(tmp_path)
    yield made
    made.end()


@pytest.fixture
def guest() -> Iterator[Host]:
    need("ip", "flock", "getconf")
    with Hosts() as hosts:
        yield hosts.add("guest")


def fence(*words: str, **environment: str) -> tuple[int, str]:
    """A fence script of etc/ to its end: the exit status, and what it printed."""
    done = subprocess.run(
        [ETC / words[0], *words[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout + done.stderr


def fence_netns(programs: Programs, guest: str, name: str = "proxy", **environment: str) -> tuple[int, str]:
    return fence("fence-netns", guest, str(programs.pidfile(name)), str(programs.folder / "lock"), **environment)


# between namespaces


def test_the_process_all_that_it_started_and_its_guest_are_gone_when_it_ends(programs: Programs, guest: Host) -> None:
    proxy = programs.proxy("proxy", "setsid sleep 601 & echo $! >left.new; mv left.new left; sleep 602")
    service = programs.start(*guest.words("sleep", "603"))
    wait_until((programs.folder / "left").exists, "what the proxy starts in a session of its own")
    left = int((programs.folder / "left").read_text())
    programs.others.append(left)
    wait_until(lambda: guest.run("ip", "netns", "pids", guest.name), "a process in the guest")
    assert fence_netns(programs, guest.name) == (0, "")
    assert not any(is_alive(pid) for pid in (proxy.pid, left, service.pid))
    assert fence_netns(programs, guest.name) == (0, "")  # once more is as once


def test_a_process_that_leads_no_group_dies_alone(programs: Programs, guest: Host) -> None:
    """As a twistd that a shell script started: the script, and what else it runs, is nobody's to kill."""
    script = "sleep 601 & echo $! >proxy.pid.new; sleep 602 & mv proxy.pid.new proxy.pid; wait"
    parent = programs.start("sh", "-c", script)
    wait_until(programs.pidfile("proxy").exists, "the pidfile")
    proxy = int(programs.pidfile("proxy").read_text())
    others = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert fence_netns(programs, guest.name) == (0, "")
    assert not is_alive(proxy)
    (other,) = (int(pid) for pid in others if int(pid) != proxy)
    assert is_alive(other)


def test_one_that_ignores_all_it_can_and_one_that_is_stopped_are_killed(programs: Programs, guest: Host) -> None:
    proxy = programs.proxy("proxy", "trap '' TERM INT HUP; sleep 600 & wait")
    proxy.send_signal(signal.SIGSTOP)
    assert fence_netns(programs, guest.name) == (0, "")
    assert not is_alive(proxy.pid)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no process number in {pidfile}: nobody can tell which process the other side is"),
        ("", "there is no process number in {pidfile}: nobody can tell which process the other side is"),
        ("twistd\n", "{pidfile} holds no number of a process"),
        ("1\n", "{pidfile} holds no number of a process"),
        ("-1\n", "{pidfile} holds no number of a process"),
        ("own", "{pidfile} is this side's own"),
    ],
)
def test_where_nobody_can_tell_who_the_other_side_is_nobody_is_killed(
    programs: Programs, guest: Host, content: str | None, says: str
) -> None:
    service = programs.start(*guest.words("sleep", "603"))
    pidfile = programs.pidfile("proxy")
    if content is not None:
        pidfile.write_text(str(os.getpid()) if content == "own" else content)
    assert fence_netns(programs, guest.name) == (1, f"fence-netns: {says.format(pidfile=pidfile)}\n")
    assert is_alive(service.pid)


def test_a_process_that_has_got_the_number_of_another_is_left_alone(programs: Programs, guest: Host) -> None:
    proxy = programs.proxy("proxy")
    pidfile = programs.pidfile("proxy")
    hour_ago = time.time() - 3600
    os.utime(pidfile, (hour_ago, hour_ago))
    status, said = fence_netns(programs, guest.name)
    assert (status, said.startswith(f"fence-netns: process {proxy.pid} is younger than {pidfile}")) == (1, True)
    assert is_alive(proxy.pid)


def test_a_namespace_that_is_not_there_is_not_taken_for_a_guest_that_is_gone(programs: Programs) -> None:
    need("flock")
    proxy = programs.proxy("proxy")
    assert fence_netns(programs, "colo-none") == (1, "fence-netns: there is no network namespace colo-none\n")
    assert is_alive(proxy.pid)


@pytest.mark.parametrize("named", ["", ",", " ", " , ,"])
def test_who_names_no_namespace_is_not_told_that_a_guest_is_gone(programs: Programs, named: str) -> None:
    need("flock")
    gone = programs.proxy("proxy")
    gone.kill()
    gone.wait()
    expected = "fence-netns: no namespace is named: nobody would look whether the guest is gone\n"
    assert fence_netns(programs, named) == (1, expected)


def test_what_is_named_is_a_namespace_and_not_only_a_file(programs: Programs, guest: Host) -> None:
    """As the folder itself, or the file of one that is no longer mounted: in it nobody runs, whoever lives."""
    proxy = programs.proxy("proxy")
    said = fence_netns(programs, f"{guest.name},.")
    assert said == (1, "fence-netns: there is no network namespace .\n")
    assert is_alive(proxy.pid)


@pytest.mark.parametrize("lock", ["", "none/lock", "."])
def test_a_lock_that_can_not_be_opened_is_a_failure_in_words(programs: Programs, guest: Host, lock: str) -> None:
    proxy = programs.proxy("proxy")
    status, said = fence("fence-netns", guest.name, str(programs.pidfile("proxy")), lock)
    assert (status, said.splitlines()[-1]) == (1, f"fence-netns: lock file '{lock}' can't be opened")
    assert is_alive(proxy.pid)


def test_a_side_that_has_been_fenced_itself_fences_nobody(programs: Programs, guest: Host) -> None:
    this_side = programs.start("true")
    this_side.wait()
    proxy = programs.proxy("proxy")
    said = fence_netns(programs, guest.name, COLO_PID=str(this_side.pid))
    assert said == (1, "fence-netns: this side has been fenced itself\n")
    assert is_alive(proxy.pid)


def test_a_side_that_is_killed_while_its_fence_waits_for_the_lock_fences_nobody(
    programs: Programs, guest: Host
) -> None:
    lock = programs.folder / "lock"
    holder = programs.start("flock", str(lock), "sh", "-c", "touch held; exec sleep 600")
    wait_until((programs.folder / "held").exists, "the lock")
    this_side = programs.start("sleep", "600")
    proxy = programs.proxy("proxy")
    words = ["fence-netns", guest.name, str(programs.pidfile("proxy")), str(lock)]
    waiting = programs.start(str(ETC / words[0]), *words[1:], COLO_PID=str(this_side.pid))
    children = Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children")

    def waits() -> bool:
        return any("flock" in Path(f"/proc/{pid}/comm").read_text() for pid in children.read_text().split())

    wait_until(waits, "the fence's waiting for the lock")
    this_side.kill()
    this_side.wait()
    os.killpg(holder.pid, signal.SIGKILL)
    assert waiting.wait(PATIENCE) == 1
    assert is_alive(proxy.pid)


@pytest.mark.parametrize("round", range(3))
def test_of_two_that_fence_each_other_at_once_one_wins(programs: Programs, round: int) -> None:
    need("ip", "flock", "getconf")
    with Hosts() as hosts:
        guests = {name: hosts.add(name) for name in ("one", "other")}
        proxies = {}
        for name, victim in (("one", "other"), ("other", "one")):
            words = f"{ETC}/fence-netns {guests[victim].name} {programs.pidfile(victim)} {programs.folder}/lock"
            fencing = f"while [ ! -e go ]; do sleep 0.01; done; COLO_PID=$$ setsid -w {words}; echo $? >{name}.status"
            proxies[name] = programs.proxy(name, f"{fencing}; exec sleep 600")
        (programs.folder / "go").touch()
        statuses = [programs.folder / f"{name}.status" for name in proxies]
        wait_until(lambda: any(status.exists() and status.read_text() for status in statuses), "a fence's end")
        wait_until(lambda: [is_alive(proxy.pid) for proxy in proxies.values()].count(True) == 1, "one that is left")
        (winner,) = (name for name, proxy in proxies.items() if is_alive(proxy.pid))
        assert (programs.folder / f"{winner}.status").read_text() == "0\n"
        lock = programs.folder / "lock"
        subprocess.run(["flock", lock, "true"], timeout=PATIENCE, check=True)  # nobody else's fence goes on
        assert is_alive(proxies[winner].pid)


@pytest_twisted.inlineCallbacks
def test_a_colo_peers_fence_runs_it_and_knows_that_the_other_side_is_off(programs: Programs, guest: Host) -> Waiting:
    proxy = programs.proxy("proxy")
    told: list[tuple[bool, str]] = []
    machine = FakeMachine()
    machine.reactor, machine.monotonic = reactor, time.monotonic
    command = (str(ETC / "fence-netns"), guest.name, str(programs.pidfile("proxy")), str(programs.folder / "lock"))
    victim = Victim("secondary", "", 1, 2)
    counters = FenceCounters()
    made = Fence(machine, command, PATIENCE, lambda: victim, lambda *how: told.append(how), counters, Reporter("fence"))
    made.run("the primary is silent")
    yield from until(lambda: told)
    assert told == [(True, "")]
    assert (counters.fence_runs, counters.fence_failures) == (1, 0)
    assert not is_alive(proxy.pid)


# over ssh, to a host that a test plays: its ssh runs the script here, on files and programs of the test's own

SSH = """\
#!/bin/sh
echo "$@" >>{folder}/ssh.log
[ ! -e {folder}/unreachable ] || exit 255
sed -e 's#^PATH=.*#PATH={folder}/there:$PATH#' -e 's#^SECONDS_TO_WAIT=.*#SECONDS_TO_WAIT=1#' \\
    -e 's#/run/systemd/#{folder}/run/#' -e 's#/sys/fs/cgroup#{folder}/cgroup#g' \\
    -e "$(cat {folder}/sed 2>/dev/null)" >{folder}/script
echo "Welcome to this host"
exec sh -s <{folder}/script
"""
SYSTEMCTL = """\
#!/bin/sh
echo "$@" >>{folder}/systemctl.log
for unit; do :; done
procs={folder}/cgroup/system.slice/$unit/cgroup.procs
case "$1 $2" in
"show --property=LoadState")
    if [ -e {folder}/reloaded ] && [ -L {folder}/run/system.control/$unit ]; then echo LoadState=masked
    elif [ -e {folder}/units/$unit ]; then echo LoadState=loaded
    else echo LoadState=not-found; fi ;;
"show --property=ActiveState")
    if [ -s "$procs" ] && [ ! -e {folder}/lingering ]; then echo ActiveState=active; else echo ActiveState=failed; fi ;;
"show --property=ControlGroup") echo "ControlGroup=$([ ! -s "$procs" ] || echo "/system.slice/$unit")" ;;
"daemon-reload ") [ -e {folder}/no-mask ] || touch {folder}/reloaded ;;
"kill --signal=KILL")
    [ -e {folder}/stubborn ] || [ -e {folder}/lingering ] || {{ kill -9 $(cat "$procs"); : >"$procs"; }} ;;
esac
"""
IP = """\
#!/bin/sh
case "$*" in
"link set dev "*) [ -e {folder}/taps/$4 ] && [ ! -e {folder}/stubborn-tap ] && echo DOWN >{folder}/taps/$4 ;;
"-oneline link show dev "*) [ -e {folder}/taps/$5 ] && echo "7: $5: <BROADCAST,$(cat {folder}/taps/$5)> mtu 1500" ;;
esac
"""


class OtherHost:
    """One with services and TAPs, all of them files, and the processes of the services."""

    def __init__(self, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = programs.folder / "host"
        self.programs = programs
        self.processes: dict[str, int] = {}
        for path in ("here", "there", "units", "taps"):
            (self.folder / path).mkdir(parents=True)
        for path, text in (("here/ssh", SSH), ("there/systemctl", SYSTEMCTL), ("there/ip", IP)):
            (self.folder / path).write_text(text.format(folder=self.folder))
            (self.folder / path).chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.folder / 'here'}:{os.environ['PATH']}")
        self.add_unit("colo.service")
        self.add_unit("guest.service")

    def add_unit(self, name: str) -> None:
        (self.folder / "units" / name).touch()
        procs = self.folder / "cgroup/system.slice" / name / "cgroup.procs"
        procs.parent.mkdir(parents=True)
        self.processes[name] = self.programs.start("sleep", "600").pid
        procs.write_text(f"{self.processes[name]}\n")

    def has(self, name: str, content: str = "") -> None:
        (self.folder / name).write_text(content)

    @property
    def alive(self) -> list[str]:
        return [name for name, pid in self.processes.items() if is_alive(pid)]

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def other(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> OtherHost:
    for name in ("COLO_ROLE", "COLO_PEER"):
        monkeypatch.delenv(name, raising=False)
    return OtherHost(programs, monkeypatch)


def test_over_ssh_the_services_are_killed_and_masked_and_the_tap_is_down(other: OtherHost) -> None:
    other.has("taps/lan0", "UP,LOWER_UP")
    words = ("fence-ssh", "-t", "lan0", "-t", "gone0", "root@10.22.1.2", "colo", "guest.service")
    for _ in range(2):  # twice is as once
        assert fence(*words) == (0, "fence-ssh: root@10.22.1.2 is fenced: colo.service guest.service\n")
    assert other.alive == []
    control = other.folder / "run/system.control"
    assert {path.name: os.readlink(path) for path in control.iterdir()} == {
        "colo.service": "/dev/null",
        "guest.service": "/dev/null",
    }
    assert (other.folder / "taps/lan0").read_text() == "DOWN\n"
    asked = other.log("ssh").splitlines()[0]
    assert "-o BatchMode=yes -o ConnectTimeout=5 " in asked
    assert asked.endswith("-- root@10.22.1.2 sh -s")


def test_the_masks_come_before_the_kill_so_that_nothing_restarts(other: OtherHost) -> None:
    assert fence("fence-ssh", "h", "colo", "guest")[0] == 0
    orders = [line for line in other.log("systemctl").splitlines() if not line.startswith("show")]
    assert orders == [
        "daemon-reload",
        "kill --signal=KILL colo.service",
        "stop --no-block colo.service",
        "kill --signal=KILL guest.service",
        "stop --no-block guest.service",
    ]


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("unreachable", "ssh ended with exit status 255"),
        ("stubborn", "colo.service: masked, active, its processes: {pid}"),
        ("lingering", "colo.service: masked, failed, its processes: {pid}"),
        ("no-mask", "colo.service: loaded, failed, its processes: "),
        ("stubborn-tap", "interface lan0 is up"),
    ],
)
def test_what_can_not_be_verified_is_not_fenced(other: OtherHost, trouble: str, says: str) -> None:
    other.has("taps/lan0", "UP,LOWER_UP")
    other.has(trouble)
    status, said = fence("fence-ssh", "-t", "lan0", "10.22.1.2", "colo")
    assert status == 1
    assert "fence-ssh: 10.22.1.2 is not fenced: " in said
    assert says.format(pid=other.processes["colo.service"]) in said


@pytest.mark.parametrize("cut", ["s/^main .*//", "/^\\tdone$/,$d", "s/^main .*/exit 0/"])
def test_a_script_that_does_not_come_whole_does_nothing_and_is_no_success(other: OtherHost, cut: str) -> None:
    other.has("sed", cut)
    status, said = fence("fence-ssh", "10.22.1.2", "colo")
    assert (status, "is not fenced" in said) == (1, True)
    assert other.alive == ["colo.service", "guest.service"]
    assert other.log("systemctl") == ""


def test_a_unit_that_is_not_there_is_named_and_nothing_is_done(other: OtherHost) -> None:
    status, said = fence("fence-ssh", "10.22.1.2", "colo", "guess")
    assert status == 1
    assert "there is no unit guess.service" in said
    assert other.alive == ["colo.service", "guest.service"]


@pytest.mark.parametrize("unit", ["a'b", "$(id)", "a;b", "a/b", "a\nb"])
def test_a_name_is_never_a_command(other: OtherHost, unit: str) -> None:
    status, said = fence("fence-ssh", "10.22.1.2", "colo", unit)
    assert (status, "can't have such a name" in said) == (1, True)
    assert other.log("ssh") == ""


def test_the_host_can_be_the_one_that_the_pair_knows(other: OtherHost) -> None:
    assert fence("fence-ssh", "-F", "/etc/colo/ssh_config", "-", "colo", COLO_PEER="10.22.1.9")[0] == 0
    assert other.log("ssh").startswith("-F /etc/colo/ssh_config ")
    assert other.log("ssh").endswith(" -- 10.22.1.9 sh -s\n")
    expected = "fence-ssh: nobody knows the other side's address: name its host\n"
    assert fence("fence-ssh", "-", "colo", COLO_PEER="") == (1, expected)


@pytest.mark.parametrize("words", [(), ("h",), ("-x", "h", "colo")])
def test_what_it_is_not_told_is_its_usage(other: OtherHost, words: tuple[str, ...]) -> None:
    status, said = fence("fence-ssh", *words)
    assert (status, "usage: fence-ssh " in said) == (1, True)


@pytest.mark.parametrize(("role", "delay"), [("secondary", "0.6"), ("primary", "600")])
def test_only_the_secondary_waits_first(other: OtherHost, role: str, delay: str) -> None:
    began = time.monotonic()
    assert fence("fence-ssh", "-d", delay, "h", "colo", COLO_ROLE=role)[0] == 0
    assert (time.monotonic() - began >= 0.6) >= (role == "secondary")


@pytest.mark.parametrize("role", ["primary", "secondary"])
@pytest.mark.parametrize("delay", ["", "abc", "1,5", "-1", ".", "1.2.3", "1m", "infinity", "1 2"])
def test_a_delay_that_is_no_number_is_no_fence_on_either_side(other: OtherHost, role: str, delay: str) -> None:
    """Else the secondary would not wait, and both might win; the primary says so too, while somebody tries it."""
    expected = f"fence-ssh: -d takes a number of seconds (1.5), and '{delay}' is none\n"
    assert fence("fence-ssh", "-d", delay, "h", "colo", COLO_ROLE=role) == (1, expected)
    assert other.log("ssh") == ""


def test_a_secondary_whose_delay_is_cut_short_fences_nobody(other: OtherHost) -> None:
    """A sleep that takes no fractions, or that somebody kills."""
    (other.folder / "here/sleep").write_text("#!/bin/sh\nexit 1\n")
    (other.folder / "here/sleep").chmod(0o755)
    said = fence("fence-ssh", "-d", "0.5", "h", "colo", COLO_ROLE="secondary")
    assert said == (1, "fence-ssh: this side could not wait for 0.5 s first\n")
    assert other.log("ssh") == ""


@pytest.mark.parametrize("delay", ["0", "2", "0.01", ".01", "00.01"])
def test_a_delay_may_be_a_fraction(other: OtherHost, delay: str) -> None:
    assert fence("fence-ssh", "-d", delay, "h", "colo", COLO_ROLE="secondary")[0] == 0


@pytest.mark.parametrize("name", ["fence-ssh", "fence-netns"])
@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_each_script_can_be_run_and_any_shell_can_read_it(name: str, shell: str) -> None:
    assert os.access(ETC / name, os.X_OK)
    assert (ETC / name).read_text().startswith("#!/bin/sh\n")
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", ETC / name], check=True)


# a guest that is watched


class Watching:
    """A watch on the real reactor, and what it said."""

    def __init__(self, watched: Watched, netdevs: dict[str, Any] | None = None) -> None:
        machine = FakeMachine()
        machine.reactor, machine.monotonic = reactor, time.monotonic
        self.machine = machine
        self.gone: list[str] = []
        netdevs = {} if netdevs is None else netdevs
        self.watch = GuestWatch(watched, machine, netdevs, self.gone.append, Reporter("guest-watch"))


Watcher = Callable[..., Watching]


@pytest.fixture
def watching() -> Iterator[Watcher]:
    made: list[Watching] = []

    def maker(*arguments: Any) -> Watching:
        made.append(Watching(*arguments))
        return made[-1]

    yield maker
    for one in made:
        one.watch.stop()


@pytest.mark.parametrize("descriptors", [True, False])
@pytest_twisted.inlineCallbacks
def test_a_guest_that_is_killed_is_gone_though_nobody_has_waited_for_it(
    programs: Programs, watching: Watcher, monkeypatch: pytest.MonkeyPatch, descriptors: bool
) -> Waiting:
    if not descriptors:
        monkeypatch.setattr(KernelProcesses, "open", lambda self, pid: None)
    one = watching(Pidfile("guest.pid"))
    one.watch.start()
    guest = programs.proxy("guest")
    yield from until(lambda: one.watch.present)
    guest.kill()
    yield from until(lambda: one.gone)
    assert one.gone == [f"its process {guest.pid} has ended"]
    assert guest.poll() == -signal.SIGKILL


@pytest.mark.parametrize("descriptors", [True, False])
@pytest_twisted.inlineCallbacks
def test_a_process_lives_until_its_last_thread_has_ended(
    programs: Programs, watching: Watcher, monkeypatch: pytest.MonkeyPatch, descriptors: bool
) -> Waiting:
    """The first thread may end before the others."""
    if not descriptors:
        monkeypatch.setattr(KernelProcesses, "open", lambda self, pid: None)
    script = (
        "import ctypes, os, threading; libc = ctypes.CDLL(None)\n"
        "threading.Thread(target=lambda: (os.read(os.open('end', os.O_RDONLY), 1), os._exit(0))).start()\n"
        "open('guest.pid', 'w').write(str(os.getpid())); libc.pthread_exit(None)\n"
    )
    os.mkfifo("end")
    guest = programs.start(sys.executable, "-c", script)
    one = watching(Pidfile("guest.pid"))
    one.watch.start()
    yield from until(lambda: one.watch.present)
    stat = Path(f"/proc/{guest.pid}/stat")
    yield from until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
    yield deferLater(reactor, 2 * LOOK_SECONDS, lambda: None)
    assert one.gone == []
    Path("end").write_text("x")
    yield from until(lambda: one.gone)


@pytest_twisted.inlineCallbacks
def test_a_guests_tap_that_goes_with_its_namespace_is_a_guest_that_is_gone(watching: Watcher) -> Waiting:
    need("ip")
    with Hosts() as hosts:
        guest = hosts.add("guest")
        name = f"ct{os.getpid()}w"
        netdevs: dict[str, Any] = {}
        one = watching(FarEnd("e0"), netdevs)
        tap = Tap(TapProperties(id="e0", ifname=name, script="", downscript=""), one.machine)
        tap.open(False)
        try:
            netdevs["e0"] = tap
            tap.start(lambda batch: None)
            one.watch.start()
            assert one.watch.present
            subprocess.run(["ip", "link", "set", name, "netns", guest.name], check=True)
            guest.ip(f"link delete {name}")
            yield from until(lambda: one.gone)
            assert one.gone == [f"TAP {name} was deleted"]
        finally:
            tap.close()


@pytest_twisted.inlineCallbacks
def test_a_command_is_asked_and_its_exit_status_is_the_answer(programs: Programs, watching: Watcher) -> Waiting:
    Path("alive").touch()
    one = watching(Asked(("test", "-e", str(programs.folder / "alive"))))
    one.watch.start()
    yield from until(lambda: one.watch.present)
    Path("alive").unlink()
    yield from until(lambda: one.gone)
    assert one.gone == ["the command says so: exit status 1"]

"""What an operator does with the process: twistd's options, its signals, and peers that come late."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import Daemon, fail_in_foreground
from tests.support.namespaces import Host, Hosts, need
from tests.support.processes import PATIENCE, TWISTD, Colo, Process, wait_until

ETC = Path(__file__).parents[2] / "etc"
PAYLOAD = "thirty characters of a datagram"


@pytest.fixture
def host() -> Iterator[Host]:
    need("ip", "bash")
    with Hosts() as hosts:
        yield hosts.add("h")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, and only root may write to."""
    folder = Path(tempfile.mkdtemp(prefix="colo-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def scripts(folder: Path, up: str = "", down: str = "") -> str:
    """Properties with scripts that write what they do, and who they are, to the file 'scripts'."""
    for name, does in (("up", up or 'ip link set "$1" up'), ("down", down or 'ip link set "$1" down')):
        path = folder / name
        path.write_text(f'#!/bin/sh\n{does} || exit\necho "{name} $1 $(id -u)" >>{folder}/scripts\n')
        path.chmod(0o755)
    return f"script={folder}/up,downscript={folder}/down"


def were_run(folder: Path) -> list[str]:
    return (folder / "scripts").read_text().splitlines()


def a_mirror(folder: Path, chardev: str = "", up: str = "", down: str = "") -> list[str]:
    """The arguments for a TAP t0 that is mirrored to a unix socket, or to another chardev."""
    chardev = chardev or f"socket,id=c0,path={folder}/c0,server,nowait"
    return [
        *("-netdev", f"tap,id=hn0,ifname=t0,{scripts(folder, up, down)}", "-device", "e1000,id=g0,netdev=hn0"),
        *("-chardev", chardev, "-object", "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0"),
    ]


def interfaces(host: Host) -> set[str]:
    return set(re.findall(r"^\d+: ([^:@]+)", host.ip("-o link"), re.MULTILINE))


def make_a_network(host: Host) -> None:
    """t0 leads to 10.0.0.2, whose Ethernet address is known."""
    host.ip("addr add 10.0.0.1/24 dev t0")
    host.ip("neigh add 10.0.0.2 lladdr 52:54:00:00:00:02 dev t0 nud permanent")


def send_a_datagram(host: Host) -> None:
    host.run("bash", "-c", f"echo '{PAYLOAD}' >/dev/udp/10.0.0.2/9")


def check_traffic(host: Host, path: Path) -> None:
    """What the kernel sends into t0 comes out of the mirror's socket."""
    make_a_network(host)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        got = b""
        while PAYLOAD.encode() not in got:  # until the mirror knows its peer, it mirrors nothing
            send_a_datagram(host)
            got += client.recv(65536)


def status_of(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.split() for name, rest in (line.split(":", 1) for line in lines)}


def nothing_pends(pid: int) -> bool:
    """Whether the process has taken all signals that it was sent."""
    status = status_of(pid)
    return not any(int(status[name][0], 16) for name in ("SigPnd", "ShdPnd"))


# twistd's options


def test_in_the_foreground(host: Host, tmp_path: Path) -> None:
    with Colo(a_mirror(tmp_path), tmp_path, namespace=host.name) as colo:
        assert (tmp_path / "colo.pid").read_text() == str(colo.pid)
        assert {"t0", "g0"} <= interfaces(host)
        check_traffic(host, tmp_path / "c0")
        assert colo.stop() == 0
    check_nothing_is_left(host, tmp_path)
    assert not (tmp_path / "colo.pid").exists()
    assert "Traceback" not in colo.output


def test_as_a_daemon(host: Host, tmp_path: Path) -> None:
    with Daemon(a_mirror(tmp_path), tmp_path, namespace=host.name) as daemon:
        pid = daemon.daemon_pid()
        daemon.wait_for_log("colo: running")
        assert daemon.output == ""
        assert os.getsid(pid) != os.getsid(0)
        check_traffic(host, tmp_path / "c0")
        assert daemon.stop() == 0
    assert set(daemon.statuses().values()) == {0}
    check_nothing_is_left(host, tmp_path)
    assert not daemon.pidfile.exists()
    assert "Traceback" not in daemon.log_text


def check_nothing_is_left(host: Host, folder: Path) -> None:
    assert not {"t0", "g0"} & interfaces(host)
    assert not (folder / "c0").exists()
    assert were_run(folder) == ["up t0 0", "down t0 0"]


IN_A_ROOM_WITH_DEV_LOG = """\
set -e
mkdir "$1/dev"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs /dev
for name in null urandom; do touch /dev/$name; mount --bind "$1/dev/$name" /dev/$name; done
ln -s "$1/syslog" /dev/log
shift
exec "$@"
"""


def test_to_syslog(tmp_path: Path) -> None:
    need("unshare", "mount")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.settimeout(PATIENCE)
        syslog.bind(str(tmp_path / "syslog"))
        room = ["unshare", "--mount", "--propagation=private", "sh", "-c", IN_A_ROOM_WITH_DEV_LOG, "sh", str(tmp_path)]
        options = ["-n", "--syslog", "--prefix=colo-test", f"--pidfile={tmp_path}/colo.pid"]
        with Process([*room, TWISTD, *options, "colo", "-chardev", "null,id=c0"], tmp_path / "output") as colo:
            lines = [line_of(syslog)]
            while "colo: running" not in lines[-1]:
                lines.append(line_of(syslog))
            assert colo.stop() == 0
        assert all("colo-test" in line for line in lines)
        assert colo.output == ""


def line_of(syslog: socket.socket) -> str:
    return syslog.recv(65536).decode()


@pytest.mark.parametrize("reactor", ["epoll", "poll", "select"])
def test_reactors(reactor: str, host: Host, tmp_path: Path) -> None:
    with Colo(a_mirror(tmp_path), tmp_path, namespace=host.name, twistd=("-r", reactor)) as colo:
        assert re.search(f"reactor class: .*{reactor}", colo.output, re.IGNORECASE)
        check_traffic(host, tmp_path / "c0")
        assert colo.stop() == 0
    check_nothing_is_left(host, tmp_path)


# root is dropped

AS_NOBODY = ("--uid=65534", "--gid=65534")


def test_what_needs_root_is_done_before_root_is_dropped(host: Host, open_folder: Path) -> None:
    arguments = a_mirror(open_folder, "socket,id=c0,host=127.0.0.1,port=903,server,nowait")
    with Colo(arguments, open_folder, namespace=host.name, twistd=AS_NOBODY) as colo:
        status = status_of(colo.pid)
        assert status["Uid"] == status["Gid"] == ["65534"] * 4
        assert status["CapEff"] == ["0000000000000000"]
        assert were_run(open_folder) == ["up t0 0"]
        make_a_network(host)
        got = open_folder / "got"
        with Process(host.words("bash", "-c", f"cat </dev/tcp/127.0.0.1/903 >{got}"), open_folder / "client.log"):
            colo.wait_for_output("chardev c0: connected to")
            send_a_datagram(host)
            wait_until(lambda: PAYLOAD.encode() in got.read_bytes(), "the mirrored datagram")
        assert colo.stop() == 0
    assert not {"t0", "g0"} & interfaces(host)


def test_what_a_user_cannot_take_back_is_named_once_and_no_failure(host: Host, open_folder: Path) -> None:
    with Colo(a_mirror(open_folder), open_folder, namespace=host.name, twistd=AS_NOBODY) as colo:
        assert colo.stop() == 0
    why = re.findall(r"chardev c0: could not remove unix:(.*)", colo.output)
    assert why == [f"{open_folder}/c0: Permission denied"]
    (why,) = re.findall(r"netdev hn0: downscript (.*)", colo.output)
    assert re.fullmatch(rf"{open_folder}/down t0 exited with \d+: .*Operation not permitted", why)
    assert "Traceback" not in colo.output
    assert not {"t0", "g0"} & interfaces(host)


def test_a_start_replaces_the_socket_that_a_user_could_not_remove(open_folder: Path) -> None:
    chardev = ["-chardev", f"socket,id=c0,path={open_folder}/c0,server,nowait"]
    with Colo(chardev, open_folder, twistd=AS_NOBODY) as colo:
        assert colo.stop() == 0
    assert (open_folder / "c0").exists()
    with Colo(chardev, open_folder) as colo:
        assert colo.stop() == 0
    assert not (open_folder / "c0").exists()


# signals


def test_a_second_sigterm_changes_nothing(host: Host, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = f"touch {tmp_path}/has-begun; read go <{gate}"
    with Colo(a_mirror(tmp_path, down=slow), tmp_path, namespace=host.name) as colo:
        colo.signal(signal.SIGTERM)
        wait_until((tmp_path / "has-begun").exists, "the downscript")
        colo.signal(signal.SIGTERM)
        wait_until(lambda: nothing_pends(colo.pid), "the second signal being taken")
        gate.write_text("go\n")
        assert colo.popen.wait(PATIENCE) == 0
    check_nothing_is_left(host, tmp_path)
    assert "Traceback" not in colo.output
    assert "Error" not in colo.output


def test_sigterm_while_an_up_script_runs_is_obeyed_when_it_has_ended(host: Host, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    words = a_mirror(tmp_path, up=f"touch {tmp_path}/has-begun; read go <{gate}")
    twistd = host.words(TWISTD, "-n", f"--pidfile={tmp_path}/pid", "colo", *words)
    with Process(twistd, tmp_path / "log") as colo:
        wait_until((tmp_path / "has-begun").exists, "the up script")
        colo.signal(signal.SIGTERM)
        gate.write_text("go\n")
        assert colo.popen.wait(PATIENCE) == 0
    check_nothing_is_left(host, tmp_path)
    assert not (tmp_path / "pid").exists()


def test_sigint_is_an_orderly_end_too(host: Host, tmp_path: Path) -> None:
    with Colo(a_mirror(tmp_path), tmp_path, namespace=host.name) as colo:
        colo.signal(signal.SIGINT)
        assert colo.popen.wait(PATIENCE) == -signal.SIGINT  # so that a shell's loop ends with it
    check_nothing_is_left(host, tmp_path)
    assert not (tmp_path / "colo.pid").exists()
    assert "Traceback" not in colo.output


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_signals_that_mean_nothing_here_harm_nothing(number: signal.Signals, host: Host, tmp_path: Path) -> None:
    with Colo(a_mirror(tmp_path), tmp_path, namespace=host.name) as colo:
        colo.signal(number)
        check_traffic(host, tmp_path / "c0")
        assert colo.counters()["object m0"]["mirrored"] >= 1
        assert colo.stop() == 0
    check_nothing_is_left(host, tmp_path)


def test_the_counters_are_logged_at_the_end(host: Host, tmp_path: Path) -> None:
    with Colo(a_mirror(tmp_path), tmp_path, namespace=host.name) as colo:
        assert set(colo.counters()) == {"chardev c0", "netdev hn0", "netdev g0", "chain hn0", "object m0"}
        assert colo.stop() == 0
    (table,) = re.findall(r"colo: counters\n((?:\t.*\n)+)", colo.output)
    assert re.search(r"^\t  netdev hn0 ", table, re.MULTILINE)


def test_sigusr1_turns_the_log(tmp_path: Path) -> None:
    with Daemon(["-chardev", "null,id=c0"], tmp_path) as daemon:
        pid = daemon.daemon_pid()
        daemon.wait_for_log("colo: running")
        os.kill(pid, signal.SIGUSR1)
        old = tmp_path / f"{daemon.logfile.name}.1"
        wait_until(old.exists, "the old log under its new name")
        assert daemon.stop() == 0
        assert "colo: running" in old.read_text()
        assert "colo: running" not in daemon.log_text
        assert "colo: counters" in daemon.log_text


# start-up waits


def a_waiting_mirror(folder: Path) -> list[str]:
    return a_mirror(folder, f"socket,id=c0,path={folder}/c0,server")


def test_start_up_waits_for_a_peer_and_answers_meanwhile(host: Host, tmp_path: Path) -> None:
    with Colo(a_waiting_mirror(tmp_path), tmp_path, namespace=host.name) as colo:
        assert f"chardev c0: start-up waits for a client on unix:{tmp_path}/c0 (wait=off" in colo.output
        make_a_network(host)
        send_a_datagram(host)
        assert colo.counters()["netdev hn0"] == {}  # nothing is read yet
        assert "colo: running" not in colo.output
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(tmp_path / "c0"))
            colo.wait_for_output("colo: running")
            assert PAYLOAD.encode() in client.recv(65536)  # it waited in the TAP
        assert colo.output.count("start-up waits") == 1
        assert colo.stop() == 0
    check_nothing_is_left(host, tmp_path)


def test_a_daemon_waits_after_the_shell_has_gone_on(host: Host, tmp_path: Path) -> None:
    with Daemon(a_waiting_mirror(tmp_path), tmp_path, namespace=host.name) as daemon:
        daemon.wait_for_log("start-up waits for a client")
        pid = daemon.daemon_pid()
        wait_until(lambda: daemon.left_running == [pid], "the end of the command in the shell")
        assert daemon.output == ""
        assert daemon.stop() == 0
    check_nothing_is_left(host, tmp_path)


def test_sigterm_while_start_up_waits(host: Host, tmp_path: Path) -> None:
    with Colo(a_waiting_mirror(tmp_path), tmp_path, namespace=host.name) as colo:
        assert colo.stop() == 0
    check_nothing_is_left(host, tmp_path)
    assert "colo: running" not in colo.output
    assert "Traceback" not in colo.output


# peers that come late


def failed_connects(host: Host) -> int:
    """TCP's AttemptFails: what the kernel of this host has counted."""
    names, values = (line.split() for line in host.run("grep", "^Tcp:", "/proc/net/snmp").splitlines())
    return int(values[names.index("AttemptFails")])


def wait_for_failed_connects(host: Host, more: int) -> None:
    before = failed_connects(host)
    wait_until(lambda: failed_connects(host) >= before + more, f"{more} tries to connect")


def test_a_client_tries_quietly_until_its_server_is_there_and_again_when_that_restarts(
    host: Host, tmp_path: Path
) -> None:
    client = [
        *("-chardev", "socket,id=c0,host=127.0.0.1,port=9003,reconnect-ms=100"),
        *("-netdev", "socket,id=hn0,listen=127.0.0.1:9100", "-object", "filter-mirror,id=m0,netdev=hn0,outdev=c0"),
    ]
    server = ["-chardev", "socket,id=s0,host=127.0.0.1,port=9003,server,nowait"]
    with Colo(client, tmp_path, "client", namespace=host.name) as colo:
        for times in (1, 2):
            wait_for_failed_connects(host, 4)
            with Colo(server, tmp_path, f"server{times}", namespace=host.name):
                wait_until(lambda: colo.output.count("c0: connected to") == times, "the connection")  # noqa: B023
            wait_until(lambda: colo.output.count("c0: lost ") == times, "the connection's end")  # noqa: B023
        wait_for_failed_connects(host, 1)
        assert colo.counters()["chardev c0"]["connects"] == 2
        assert colo.stop() == 0
    said = re.findall(r"\] chardev c0: (\w+)", colo.output)
    assert said == ["cannot", "connected", "lost"] * 2 + ["cannot"]


# help


def test_help_is_printed_with_exit_status_0() -> None:
    for words, shows in ((["-help"], "Usage: twistd"), (["-object", "help"], "filter-mirror")):
        done = subprocess.run([TWISTD, "colo", *words], capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stderr) == (0, "")
        assert shows in done.stdout


# the examples in etc/


def test_the_systemd_unit_starts_it(tmp_path: Path) -> None:
    configuration = tmp_path / "colo.conf"
    configuration.write_text('[chardev "c0"]\n  backend = "null"\n')
    unit = (ETC / "colo.service").read_text()
    (line,) = re.findall("^ExecStart=(.*)$", unit, re.MULTILINE)
    words = line.replace("/opt/colo/bin/twistd", TWISTD).replace("/etc/colo/colo.conf", str(configuration)).split()
    assert str(configuration) in words
    with Process(words, tmp_path / "journal") as colo:
        colo.wait_for_output("colo: running")
        assert {path.name for path in tmp_path.iterdir()} == {"colo.conf", "journal"}
        assert colo.stop() == 0


def test_the_scripts_put_a_tap_on_a_bridge_and_take_it_off(host: Host, tmp_path: Path) -> None:
    host.ip("link add br0 type bridge")
    example = f"script={ETC}/qemu-ifup.example,downscript={ETC}/qemu-ifdown.example"
    with Colo(["-netdev", f"tap,id=hn0,ifname=t0,{example}"], tmp_path, namespace=host.name) as colo:
        assert re.search("<.*UP.*> .* master br0 ", host.ip("link show t0"))
        assert colo.stop() == 0
    assert "downscript" not in colo.output


def test_the_scripts_say_what_is_missing(host: Host, tmp_path: Path) -> None:
    script = ETC / "qemu-ifup.example"
    start = fail_in_foreground(["-netdev", f"tap,id=hn0,ifname=t0,script={script}"], tmp_path, host.name)
    assert re.fullmatch(
        rf"twistd colo: -netdev tap,id=hn0: script {script} t0 exited with \d+: .*br0.*\n", start.stderr
    )

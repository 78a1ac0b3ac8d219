"""What docs/qemu.md and etc/qemu say is what QEMU and colo-ctl do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.colo_guest.body import BODY
from tests.support.colo_guest.build import GuestFiles, guest_files
from tests.support.guest_qemu import need_qemu_72
from tests.support.namespaces import need, run
from tests.support.processes import Process, wait_until
from tests.support.recipe import DISK_SIZE, Recipe, put_together
from tests.support.traffic import LONG

WAITING = {"primary": "prelaunch", "secondary": "inmigrate"}
MB = 20


@pytest.fixture(scope="module")
def files() -> GuestFiles:
    need("ip", "qemu-img")
    need_qemu_72()
    return guest_files()


def colo_ctl(socket: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "colo_twisted.ctl", "-s", str(socket), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


# the guest


@pytest.mark.parametrize("with_disk", [False, True], ids=["no-disk", "disk"])
@pytest.mark.parametrize("role", WAITING)
def test_qemu_takes_the_guests_options(role: str, with_disk: bool, tmp_path: Path) -> None:
    """It waits for somebody who lets it run, or for a copy."""
    need("qemu-system-x86_64", "qemu-img")
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(disk), DISK_SIZE)
    settings = {"ADDRESS": "127.0.0.1", "MIGRATION_PORT": 0, "ACCEL": "tcg", "MEMORY": 64, "RUN": tmp_path}
    put_together(tmp_path / "qemu", **settings, **({"DISK": disk} if with_disk else {}))
    with Process([str(tmp_path / "qemu/guest"), role, "-S"], tmp_path / "log") as guest:
        mine, objects = tmp_path / "guest.qmp", tmp_path / "qemu0.qmp"
        wait_until(lambda: mine.exists() or guest.popen.poll() is not None, "its QMP socket")
        assert json.loads(colo_ctl(mine, "qmp", "query-status").stdout)["status"] == WAITING[role], guest.output
        assert json.loads(colo_ctl(objects, "qmp", "query-colo-status").stdout)["mode"] == "none"
        blocks = json.loads(colo_ctl(mine, "qmp", "query-block").stdout)
        assert ("colo-disk0" in [block["device"] for block in blocks]) == with_disk
        assert (tmp_path / "guest.sock").is_socket()
        colo_ctl(mine, "qmp", "quit")
        assert guest.popen.wait(20) == 0


def test_a_guest_has_a_role(tmp_path: Path) -> None:
    put_together(tmp_path / "qemu", RUN=tmp_path)
    for words in ([], ["third"]):
        done = subprocess.run([str(tmp_path / "qemu/guest"), *words], capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stderr) == (2, "usage: guest primary|secondary [OPTION]...\n")


def test_colo_ctl_asked_for_the_status_of_a_qemu_says_that_it_is_one(tmp_path: Path) -> None:
    need("qemu-system-x86_64")
    socket = tmp_path / "qmp"
    words = ["qemu-system-x86_64", "-M", "none", "-accel", "tcg", "-display", "none", "-nodefaults"]
    with Process([*words, "-qmp", f"unix:{socket},server=on,wait=off"], tmp_path / "log"):
        wait_until(socket.exists, "its QMP socket")
        for subcommand in (["status"], ["status", "--no-rates"], ["top", "--count", "1"], ["checkpoint"], ["failover"]):
            done = colo_ctl(socket, *subcommand)
            assert done.returncode == 1, subcommand
            assert f"(unix:{socket} is of a QEMU, or of another version of colo_twisted)" in done.stderr, subcommand


# the page


@pytest.mark.parametrize("with_disk", [True, False] if LONG else [True], ids=["disk", "no-disk"][: 1 + LONG])
def test_the_pages_commands_do_what_it_says(with_disk: bool, files: GuestFiles, tmp_path: Path) -> None:
    with Recipe(tmp_path, files, with_disk) as recipe:
        one, two = recipe.one, recipe.two
        recipe.do("The first time")
        assert (one.state(), two.state(), one.mode(), two.mode()) == ("synced", "synced", "primary", "secondary")
        assert recipe.visit("bodies", 3).wrong == []
        if with_disk:
            one.on_disk("write -P 0x11 0 64k")
            one.do("colo-ctl checkpoint --wait")

        echoes = recipe.visiting("echoes", 1000, 64)
        two.kill("guest")
        assert recipe.told(echoes).wrong == []
        wait_until(lambda: one.mode() == "none", "one's QEMU being told")
        recipe.do("A new secondary, when that was lost")
        assert (one.state(), two.state(), one.mode(), two.mode()) == ("synced", "synced", "primary", "secondary")

        upload = recipe.visiting("upload", MB)
        recipe.do("Take-over")
        assert recipe.told(upload).wrong == []
        wait_until(lambda: two.mode() == "none", "two's QEMU being told")
        assert two.state() == "taken-over"
        if with_disk:
            two.on_disk("read -P 0x11 0 64k")
            two.on_disk("write -P 0x22 64k 64k")
            assert two.wrong_on_disk == []

        recipe.do("Back to two, after a take-over")
        assert (one.state(), two.state(), one.mode(), two.mode()) == ("synced", "synced", "secondary", "primary")

        download = recipe.visiting("download", MB)
        two.kill()
        visit = recipe.told(download)
        assert visit.wrong == []
        print(f"the download of {MB * len(BODY) >> 20} MB took {visit.seconds[0]:.1f} s")
        wait_until(lambda: one.mode() == "none", "one's QEMU being told")
        assert one.state() == "taken-over"
        assert recipe.visit("bodies", 3).wrong == []
        if with_disk:
            one.on_disk("read -P 0x11 0 64k")
            one.on_disk("read -P 0x22 64k 64k")
            assert one.wrong_on_disk == []

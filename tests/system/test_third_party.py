"""Another package's object type (tests/third_party) in use, and packages that are broken."""

from __future__ import annotations

import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from tests.support.environments import ROOT, Environment
from tests.support.fakes import packet
from tests.support.processes import PATIENCE, TWISTD, Colo, Process

PACKAGE = ROOT / "tests" / "third_party"


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that Python finds, beside the project."""
    folder = copy_package(tmp_path / "beside")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def copy_package(folder: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache")))


def colo(*words: str, twistd: str = TWISTD) -> subprocess.CompletedProcess[str]:
    """A ``twistd colo`` that ends by itself."""
    return subprocess.run([twistd, "-n", "--pidfile=", "colo", *words], capture_output=True, text=True, timeout=60)


def a_cable(folder: Path, *objects: str) -> list[str]:
    """Sockets network and guest, with objects on the chain between them."""
    return [
        *("-netdev", f"stream,id=hn0,server,addr.type=unix,addr.path={folder}/network"),
        *("-netdev", f"stream,id=g0,server,addr.type=unix,addr.path={folder}/guest"),
        *("-device", "e1000,netdev=hn0,guest=g0"),
        *(word for text in objects for word in ("-object", text)),
    ]


def frame(packet: bytes) -> bytes:
    return struct.pack(">I", len(packet)) + packet


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(path))
    return client


def receive(client: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (more := client.recv(size - len(got))):
        got += more
    return got


def check_only_small_packets_pass(process: Process, folder: Path) -> None:
    small, large, last = packet("small", 100), packet("large", 101), packet("last", 64)
    with connect(folder / "network") as network, connect(folder / "guest") as guest:
        process.wait_for_output("netdev g0: connected to")
        network.sendall(frame(small) + frame(large) + frame(last))
        expected = frame(small) + frame(last)
        assert receive(guest, len(expected)) == expected


def test_it_is_listed_and_explained_with_ours(beside: Path) -> None:
    listed = colo("-object", "help")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.search("^  filter-drop-large +lets no packet pass above a size$", listed.stdout, re.MULTILINE)
    assert re.search("^  filter-mirror ", listed.stdout, re.MULTILINE)
    explained = colo("-object", "filter-drop-large,help").stdout
    assert re.search(r"^  above=  bytes that a packet may have \(a size .*; default 1K\)$", explained, re.MULTILINE)
    assert re.search(r"^  netdev=  .*required\)$", explained, re.MULTILINE)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ("above=7", "property 'above' takes a size from 14 to .*; got '7'"),
        ("above=15", "property 'above' takes an even number"),
        ("below=7", "there is no property 'below' (there are: above, id, insert, netdev, position, queue, status)"),
    ],
)
def test_its_properties_are_checked_as_ours_are(properties: str, says: str, beside: Path, tmp_path: Path) -> None:
    text = f"filter-drop-large,id=d0,netdev=hn0,{properties}"
    failed = colo(*a_cable(tmp_path, text))
    assert failed.returncode == 1
    pattern = says if ".*" in says else re.escape(says)
    assert re.fullmatch(f"twistd colo: -object {text}: {pattern}\n", failed.stderr)


def test_frames_go_through_it_and_are_counted(beside: Path, tmp_path: Path) -> None:
    arguments = a_cable(tmp_path, "filter-drop-large,id=d0,netdev=hn0,queue=tx,above=100")
    with Colo(arguments, tmp_path) as process:
        check_only_small_packets_pass(process, tmp_path)
        assert process.counters()["object d0"] == {"passed": 2, "dropped_large": 1}
        assert process.stop() == 0


def test_installed_by_pip_it_works_without_the_sources(installed: Environment, tmp_path: Path) -> None:
    sources = copy_package(tmp_path / "sources")
    installed.install(sources)
    shutil.rmtree(sources)
    arguments = a_cable(tmp_path, "filter-drop-large,id=d0,netdev=hn0,queue=tx,above=100")
    words = [installed.twistd, "-n", "--pidfile=", "colo", *arguments]
    with Process(words, tmp_path / "log") as process:
        process.wait_for_output("colo: running")
        check_only_small_packets_pass(process, tmp_path)
        assert process.stop() == 0


# broken ones

NOT_IMPORTABLE = "import a_module_that_nobody_has\n"
NOT_A_TYPE = """\
from twisted.plugin import IPlugin
from zope.interface import implementer
from colo_twisted.interfaces import IObjectType

@implementer(IPlugin, IObjectType)
class WithoutName:
    summary = "promises what it does not keep"

broken = WithoutName()
"""


@pytest.fixture(params=[NOT_IMPORTABLE, NOT_A_TYPE], ids=["not importable", "not a type"])
def broken(request: pytest.FixtureRequest, beside: Path) -> None:
    """A plugin file beside the good one that can't be used."""
    (beside / "twisted" / "plugins" / "broken_plugin.py").write_text(request.param)


@pytest.mark.usefixtures("broken")
def test_a_broken_package_does_not_disturb_our_types(tmp_path: Path) -> None:
    arguments = [*a_cable(tmp_path, "filter-mirror,id=m0,netdev=hn0,outdev=c0"), "-chardev", "null,id=c0"]
    with Colo(arguments, tmp_path) as process:
        assert process.stop() == 0


@pytest.mark.usefixtures("broken")
def test_a_broken_package_does_not_disturb_other_packages(tmp_path: Path) -> None:
    listed = colo("-object", "help")
    assert listed.returncode == 0
    assert re.search("^  filter-drop-large ", listed.stdout, re.MULTILINE)
    assert re.search("^  filter-mirror ", listed.stdout, re.MULTILINE)
    arguments = a_cable(tmp_path, "filter-drop-large,id=d0,netdev=hn0,queue=tx,above=100")
    with Colo(arguments, tmp_path) as process:
        check_only_small_packets_pass(process, tmp_path)
        assert process.stop() == 0


@pytest.mark.usefixtures("broken")
def test_beside_a_broken_package_an_unknown_type_is_still_one_line() -> None:
    failed = colo("-object", "filter-drop-lagre,id=d0,netdev=hn0")
    assert failed.returncode == 1
    says = "-object filter-drop-lagre,id=d0,netdev=hn0: there is no type 'filter-drop-lagre'"
    assert failed.stderr.splitlines()[-1].startswith(f"twistd colo: {says} (there are: ")

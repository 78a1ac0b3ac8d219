"""That the build which these tests are for is the one that they load: a fall-back would pass them all."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import colo_twisted
from colo_twisted.packets.build import compiled
from tests.support.environments import ROOT
from tests.support.inlined import is_inline, sanitized

LOADED = Path(str(colo_twisted.__file__)).parent
TYPED = sorted(str(path.relative_to(LOADED).with_suffix("")) for path in LOADED.rglob("*.pxd"))
HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC
INLINE = [name for name in TYPED if is_inline(LOADED / f"{name}.pxd")]


FAULTS = {
    "a byte behind a packet is read": (
        "from colo_twisted.packets.tcp_options import timestamps_at",
        "timestamps_at(bytes([1] * 29), 0, 30)",
        "AddressSanitizer",
    ),
    "a byte behind a packet is written": (
        "from colo_twisted.packets.checksum import put_word",
        "put_word(bytearray(29), 28, 7, 0)",
        "AddressSanitizer",
    ),
    "a signed number overflows": (
        "from colo_twisted.packets.headers import Headers",
        "headers = Headers(); headers.end = 2**63 - 1; headers.transport = -1; headers.parse_transport(b'')",
        "signed integer overflow",
    ),
}
"""What is to be found, and harmless where it isn't: Python has a zero behind the last byte of either."""


def test_the_build_that_was_asked_for_is_loaded(pytestconfig: pytest.Config) -> None:
    assert compiled() is (pytestconfig.getoption("compiled") or pytestconfig.getoption("sanitized"))
    assert sanitized() is pytestconfig.getoption("sanitized")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_the_process_where_the_build_is_sanitized_and_there_alone(fault: str, tmp_path: Path) -> None:
    *lines, name = FAULTS[fault]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode == -signal.SIGABRT) is sanitized(), done.stderr
    assert (name in done.stderr) is sanitized()


def test_every_module_of_the_sources_is_there_to_be_loaded() -> None:
    sources = ROOT / "colo_twisted"
    assert sorted(str(path.relative_to(sources).with_suffix("")) for path in sources.rglob("*.pxd")) == TYPED
    assert "packets/headers" in TYPED
    assert "netdev/packet_descriptor" in TYPED
    assert "packets/sequence" in INLINE


@pytest.mark.parametrize("name", TYPED)
def test_a_module_with_a_pxd_is_loaded_as_the_others_are(name: str) -> None:
    file = str(importlib.import_module(f"colo_twisted.{name.replace('/', '.')}").__file__)
    assert Path(file).parent == (LOADED / name).parent
    assert file.endswith(tuple(EXTENSION_SUFFIXES) if compiled() and name not in INLINE else ".py")


@pytest.mark.parametrize("name", TYPED)
def test_what_is_loaded_is_the_source_as_it_stands(name: str) -> None:
    """A compiled build is a copy, which grows old when its source is edited."""
    for suffix in (".py", ".pxd"):
        assert (LOADED / f"{name}{suffix}").read_text() == (ROOT / f"colo_twisted/{name}{suffix}").read_text()


@pytest.mark.parametrize("name", ["Connection", "comparing.held.Held", "comparing.commit.CommittedFlow"])
def test_what_there_is_a_million_of_is_nothing_to_the_garbage_collector(name: str) -> None:
    module, _, kind = f"colo_twisted.packets.{'connections.' * (name == 'Connection')}{name}".rpartition(".")
    flags = getattr(importlib.import_module(module), kind).__flags__
    assert bool(flags & HAVE_GC) is not compiled()

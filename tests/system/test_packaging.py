"""What people install, and that installing it changes nothing else: not for other twistd commands, nor for -r."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import colo_twisted
from tests.support.environments import NO_COMPILER, ROOT, Artifacts, Environment, build, copy_sources
from tests.support.inlined import is_inline
from tests.support.processes import TWISTD, Process

VERSION = colo_twisted.__version__
INFO = f"colo_twisted-{VERSION}.dist-info"
EXTENSION = sysconfig.get_config_var("EXT_SUFFIX")


def files_below(folder: Path, *suffixes: str) -> set[str]:
    """Paths from the folder's parent on."""
    return {str(path.relative_to(folder.parent)) for path in folder.rglob("*") if path.name.endswith(suffixes)}


# what is in them


def test_the_wheel_holds_the_package_and_the_plugin_and_nothing_else(artifacts: Artifacts) -> None:
    typed = files_below(artifacts.sources / "colo_twisted", ".pxd")
    compiled = {name for name in typed if not is_inline(artifacts.sources / name)}
    package = files_below(artifacts.sources / "colo_twisted", ".py", ".pxd", "py.typed")
    package |= {f"{name.removesuffix('.pxd')}{EXTENSION}" for name in compiled}
    assert compiled < typed
    about = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "top_level.txt", "licenses/LICENSE")}
    about.add(f"{INFO}/entry_points.txt")
    names = zipfile.ZipFile(artifacts.wheel).namelist()
    assert "colo_twisted/py.typed" in package
    assert len(names) == len(set(names))
    assert set(names) == package | {"twisted/plugins/colo_plugin.py"} | about


def test_the_wheel_says_what_it_is_and_needs(artifacts: Artifacts) -> None:
    metadata = email.message_from_bytes(zipfile.ZipFile(artifacts.wheel).read(f"{INFO}/METADATA"))
    assert metadata["Name"] == "colo_twisted"
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "MIT"
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [re.split("[<>=]", line)[0] for line in needed] == ["Twisted", "click", "zope.interface"]
    assert "twistd colo" in metadata.get_payload()


def test_the_sdist_holds_all_that_a_clone_does(artifacts: Artifacts) -> None:
    with tarfile.open(artifacts.sdist) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    made_by_building = {"PKG-INFO", "setup.cfg"}
    of_a_clone_only = {".gitignore"}
    sources = {str(path.relative_to(artifacts.sources)) for path in artifacts.sources.rglob("*") if path.is_file()}
    sources = {name for name in sources if ".egg-info/" not in name}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "etc/colo.tac", "etc/colo.service", "setup.py"} <= names
    assert {name for name in names if ".egg-info/" not in name} - made_by_building == sources - of_a_clone_only


# installed


def test_installed_from_the_wheel_twistd_knows_and_runs_it_compiled(installed: Environment, tmp_path: Path) -> None:
    check_installed(installed, tmp_path, "compiled")


def test_installed_from_the_sdist_without_a_compiler_twistd_knows_and_runs_it_plain(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLO_COMPILE", raising=False)
    for name, value in NO_COMPILER.items():
        monkeypatch.setenv(name, value)
    environment = Environment(tmp_path / "environment")
    environment.install("--no-cache-dir", artifacts.sdist)
    check_installed(environment, tmp_path, "not compiled: slower")


def check_installed(environment: Environment, folder: Path, build: str) -> None:
    assert environment.says("colo_twisted.__file__").startswith(str(environment.folder))
    assert environment.says("twisted.__file__").startswith(str(environment.folder))
    shown = subprocess.run([environment.twistd, "--help"], capture_output=True, text=True, cwd=folder, timeout=60)
    assert re.search(r"^    colo +QEMU's COLO-proxy", shown.stdout, re.MULTILINE)
    assert shown.stderr == ""
    words = [environment.twistd, "-n", "--pidfile=", "colo", "-chardev", "null,id=c0"]
    with Process(words, folder / "log") as colo:
        colo.wait_for_output(rf"colo: running \(packets {build}\)")
        assert str(environment.folder) in colo.output  # the interpreter that twistd names
        assert colo.stop() == 0


# with and without Cython


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """The sources, with one module alone to be compiled, which takes seconds."""
    sources = copy_sources(tmp_path / "sources")
    for pxd in (sources / "colo_twisted").rglob("*.pxd"):
        if pxd.stem != "marker":
            pxd.unlink()
    return sources


def built(folder: Path) -> tuple[str, list[str]]:
    """The platform of the one wheel in a folder, and the compiled modules in it."""
    (wheel,) = folder.glob("*.whl")
    return wheel.stem.rsplit("-", 1)[1], [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(EXTENSION)]


def test_without_a_compiler_a_build_says_that_it_is_plain_python(few: Path, tmp_path: Path) -> None:
    said = build(few, tmp_path, "--wheel", **NO_COMPILER)
    assert re.search("^colo_twisted: packets/ is not compiled and will run slower: .*false.*$", said, re.MULTILINE)
    assert built(tmp_path)[1] == []


@pytest.mark.parametrize("wanted", ["required", "sanitized"])
def test_where_colo_compile_requires_it_a_build_without_a_compiler_fails(
    wanted: str, few: Path, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=r"(?m)^error: .*false"):
        build(few, tmp_path, "--wheel", COLO_COMPILE=wanted, **NO_COMPILER)
    assert list(tmp_path.glob("*.whl")) == []


@pytest.mark.parametrize("wanted", ["required", "off"])
def test_what_cython_refuses_fails_a_build_unless_nothing_is_to_be_compiled(
    wanted: str, few: Path, tmp_path: Path
) -> None:
    (few / "colo_twisted" / "packets" / "marker.pxd").write_text("cpdef nonsense marker_packet(nonce)\n")
    if wanted == "off":
        build(few, tmp_path, "--wheel", COLO_COMPILE=wanted)
        assert built(tmp_path) == ("any", [])
    else:
        with pytest.raises(AssertionError, match="nonsense"):
            build(few, tmp_path, "--wheel", COLO_COMPILE=wanted)


def test_a_word_that_colo_compile_does_not_know_is_named(few: Path, tmp_path: Path) -> None:
    said = "COLO_COMPILE: 'yes' (allowed: required, sanitized, off, or not set)"
    with pytest.raises(AssertionError, match=re.escape(said)):
        build(few, tmp_path, "--wheel", COLO_COMPILE="yes")


def test_building_leaves_no_c_and_an_editable_install_nothing_compiled_in_the_sources(
    few: Path, tmp_path: Path
) -> None:
    package = few / "colo_twisted"
    before = files_below(package, "")
    build(few, tmp_path, "--wheel", COLO_COMPILE="required")
    assert files_below(package, "") == before
    environment = Environment(tmp_path / "environment")
    environment.install("--no-deps", "--editable", few, "--config-settings", "editable_mode=compat")
    assert files_below(package, "") == before


# what other users of the same Python notice


def imported(*words: str) -> set[str]:
    """The modules that a command imports, by Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words], capture_output=True, text=True, timeout=60, check=True
    )
    return {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if "|" in line}


def test_the_plugin_file_imports_neither_the_project_nor_a_reactor() -> None:
    modules = imported(str(ROOT / "twisted" / "plugins" / "colo_plugin.py"))
    assert "twisted.application.service" in modules
    assert not [name for name in modules if name.startswith("colo_twisted")]
    assert "twisted.internet.reactor" not in modules


def test_listing_twistd_s_commands_imports_neither_the_project_nor_a_reactor() -> None:
    modules = imported(TWISTD, "--help")
    assert "twisted.plugins.colo_plugin" in modules
    assert not [name for name in modules if name.startswith("colo_twisted")]
    assert "twisted.internet.reactor" not in modules


IMPORT_ALL = """
import importlib, pkgutil, sys
import colo_twisted
for module in pkgutil.walk_packages(colo_twisted.__path__, "colo_twisted."):
    importlib.import_module(module.name)
    assert "twisted.internet.reactor" not in sys.modules, module.name
    print(module.name)
"""


def test_no_module_of_the_project_installs_a_reactor() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"colo_twisted.plugin", "colo_twisted.machine", "colo_twisted.netdev.tap"} <= set(done.stdout.split())

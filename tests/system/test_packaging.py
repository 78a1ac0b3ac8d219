"""What people install, and that installing it changes nothing else: not for other twistd commands, nor for -r."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import colo_twisted
from tests.support.environments import ROOT, Artifacts, Environment
from tests.support.processes import TWISTD, Process

VERSION = colo_twisted.__version__
INFO = f"colo_twisted-{VERSION}.dist-info"


def files_below(folder: Path, *suffixes: str) -> set[str]:
    """Paths from the folder's parent on."""
    return {str(path.relative_to(folder.parent)) for path in folder.rglob("*") if path.name.endswith(suffixes)}


# what is in them


def test_the_wheel_holds_the_package_and_the_plugin_and_nothing_else(artifacts: Artifacts) -> None:
    package = files_below(artifacts.sources / "colo_twisted", ".py", "py.typed")
    about = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "top_level.txt", "licenses/LICENSE")}
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
    assert [re.split("[<>=]", line)[0] for line in needed] == ["Twisted", "zope.interface"]
    assert "twistd colo" in metadata.get_payload()


def test_the_sdist_holds_all_that_a_clone_does(artifacts: Artifacts) -> None:
    with tarfile.open(artifacts.sdist) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    made_by_building = {"PKG-INFO", "setup.cfg"}
    of_a_clone_only = {".gitignore"}
    sources = {str(path.relative_to(artifacts.sources)) for path in artifacts.sources.rglob("*") if path.is_file()}
    sources = {name for name in sources if ".egg-info/" not in name}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "etc/colo.tac", "etc/colo.service"} <= names
    assert {name for name in names if ".egg-info/" not in name} - made_by_building == sources - of_a_clone_only


# installed


def test_installed_from_the_wheel_twistd_knows_and_runs_it(installed: Environment, tmp_path: Path) -> None:
    check_installed(installed, tmp_path)


def test_installed_from_the_sdist_twistd_knows_and_runs_it(artifacts: Artifacts, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment")
    environment.install(artifacts.sdist)
    check_installed(environment, tmp_path)


def check_installed(environment: Environment, folder: Path) -> None:
    assert environment.says("colo_twisted.__file__").startswith(str(environment.folder))
    assert environment.says("twisted.__file__").startswith(str(environment.folder))
    shown = subprocess.run([environment.twistd, "--help"], capture_output=True, text=True, cwd=folder, timeout=60)
    assert re.search(r"^    colo +QEMU's COLO-proxy", shown.stdout, re.MULTILINE)
    assert shown.stderr == ""
    words = [environment.twistd, "-n", "--pidfile=", "colo", "-chardev", "null,id=c0"]
    with Process(words, folder / "log") as colo:
        colo.wait_for_output("colo: running")
        assert str(environment.folder) in colo.output  # the interpreter that twistd names
        assert colo.stop() == 0


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

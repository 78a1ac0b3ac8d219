"""What is built and installed once for all tests that need it."""

from __future__ import annotations

import pytest

from tests.support.colo_guest.build import GuestFiles, guest_files
from tests.support.environments import Artifacts, Environment, build_both, copy_sources
from tests.support.guest_qemu import need_qemu_72
from tests.support.namespaces import need


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """A wheel and an sdist, and the sources that they were built from."""
    folder = tmp_path_factory.mktemp("artifacts")
    return build_both(copy_sources(folder / "sources"), folder / "dist")


@pytest.fixture(scope="session")
def installed(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel and what it depends on; tests may install more into it."""
    environment = Environment(tmp_path_factory.mktemp("installed") / "environment")
    environment.install(artifacts.wheel)
    return environment


@pytest.fixture(scope="session")
def colo_guest() -> GuestFiles:
    """What a QEMU under COLO is started with; skips where it can't run."""
    need("ip")
    need_qemu_72()
    return guest_files()

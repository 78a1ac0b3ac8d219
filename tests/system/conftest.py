"""What is built and installed once for all tests that need it."""

from __future__ import annotations

import pytest

from tests.support.environments import Artifacts, Environment, build_both, copy_sources


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

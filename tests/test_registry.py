"""Types are found by name: ours first, then what other packages add."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

import twisted.plugins
from colo_twisted.interfaces import IObjectType
from colo_twisted.netfilter.mirror import MIRROR
from colo_twisted.options import ObjectType, OptionError
from colo_twisted.registry import Registry
from tests.support.house import House

PLUGIN = """
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import IFilter
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options import ObjectType


@implementer(IFilter)
class Third(Filter):
    counters = Counters()

    def receive(self, batch, direction):
        return None


third = ObjectType("filter-third", "takes all", FilterProperties, Third)
ours = ObjectType("filter-mirror", "pretends to be ours", FilterProperties, Third)
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package's directory of plugins."""
    monkeypatch.setattr(twisted.plugins, "__path__", [*twisted.plugins.__path__, str(tmp_path)])
    for name in ("colo_third_of_a_test", "colo_broken_of_a_test"):
        monkeypatch.delitem(sys.modules, f"twisted.plugins.{name}", raising=False)
    (tmp_path / "colo_third_of_a_test.py").write_text(PLUGIN)
    return tmp_path


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("chardev", {"socket", "pair", "null"}),
        ("netdev", {"tap", "socket", "stream"}),
        (
            "object",
            {
                "filter-mirror",
                "filter-redirector",
                "filter-drop",
                "filter-buffer",
                "filter-dump",
                "iothread",
                "colo-passthrough",
                "colo-peer",
                "checkpoint-command",
            },
        ),
    ],
)
def test_each_option_has_its_types(option: str, names: set[str]) -> None:
    known = Registry().all(option)
    assert names <= set(known)
    for name in names:
        assert verifyObject(IObjectType, known[name])
        assert Registry().find(option, name) is known[name]


def test_qemus_nics_are_devices() -> None:
    for model in ("e1000", "virtio-net-pci", "rtl8139"):
        assert Registry().find("device", model).name == model


def test_an_unknown_type_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"^there is no type 'udp' \(there are: null, pair, socket\)$"):
        Registry().find("chardev", "udp")


@pytest.mark.parametrize("name", ["filter-replay"])
def test_a_type_of_qemus_that_is_not_here_is_refused_by_name_and_reason(name: str) -> None:
    with pytest.raises(OptionError, match=rf"^the type '{name}' is not available: .+"):
        Registry().find("object", name)


def test_another_packages_type_is_found_and_used(plugins: Path) -> None:
    found = Registry().find("object", "filter-third")
    assert isinstance(found, ObjectType)
    assert found.summary == "takes all"
    house = House(
        "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
        " -object filter-third,id=t0,netdev=hn0"
    )
    assert house.machine.chain("hn0").filters == [house.object("t0")]


def test_another_packages_type_does_not_take_the_place_of_ours(plugins: Path) -> None:
    assert Registry().find("object", "filter-mirror") is MIRROR
    assert Registry().all("object")["filter-mirror"] is MIRROR


def test_another_package_adds_objects_only(plugins: Path) -> None:
    with pytest.raises(OptionError, match=r"^there is no type 'filter-third'"):
        Registry().find("chardev", "filter-third")


HALF_A_TYPE = """
from twisted.plugin import IPlugin
from zope.interface import implementer

from colo_twisted.interfaces import IObjectType


@implementer(IPlugin, IObjectType)
class HalfAType:
    name = "filter-half"


half = HalfAType()
"""


@pytest.mark.parametrize("broken", ["raise RuntimeError('broken')\n", HALF_A_TYPE])
def test_a_package_that_is_broken_hides_no_others(plugins: Path, broken: str) -> None:
    (plugins / "colo_broken_of_a_test.py").write_text(broken)
    assert Registry().find("object", "filter-third").name == "filter-third"
    with pytest.raises(OptionError, match=r"^there is no type 'filter-half' \(there are: .*filter-third"):
        Registry().find("object", "filter-half")


def test_a_type_that_is_not_whole_is_named_in_the_log(plugins: Path) -> None:
    (plugins / "colo_broken_of_a_test.py").write_text(HALF_A_TYPE)
    with capturedLogs() as events:
        Registry().all("object")
    lines = [formatEvent(event) for event in events]
    assert any(line.startswith("left out a broken plugin: ") and "HalfAType" in line for line in lines)

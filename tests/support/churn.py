"""What comes to a running chain, is switched, and goes again, in an order that chance decides."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import Colo, wait_until

DIRECTIONS = ("tx", "rx")


@dataclass
class Visitor:
    """
    One thing, or several that stand side by side, on the chain of hn0.

    ``filters`` has their ids, head first. ``changes`` are made while it stays, ``go`` when it leaves.
    """

    filters: list[str]
    changes: list[Callable[[], None]] = field(default_factory=list)
    go: list[Callable[[], None]] = field(default_factory=list)

    @property
    def places(self) -> list[str]:
        """Where others may stand beside it."""
        return [f"position=id={self.filters[0]},insert=before", f"position=id={self.filters[-1]},insert=behind"]


class Churn:
    """Visitors come and go by ``step``; ``done`` counts what happened, by kind."""

    def __init__(self, colo: Colo, folder: Path, sink: Path, seed: int = 1) -> None:
        self.done: dict[str, int] = {}
        self.compared = 0
        self._colo = colo
        self._folder = folder
        self._sink = sink
        self._chance = random.Random(seed)
        self._numbers = iter(range(1_000_000))
        self._there: list[Visitor] = []
        self._kinds: dict[str, Callable[[], Visitor]] = {
            "mirror": self._mirror,
            "mirror to a socket": self._mirror_to_socket,
            "redirectors": self._redirectors,
            "buffer": self._buffer,
            "drop": self._drop,
            "dump": self._dump,
            "rewriter": self._rewriter,
            "compare": self._compare,
        }

    def step(self) -> None:
        """One comes, is changed, or goes."""
        act = self._chance.random()
        if len(self._there) < 2 or (act < 0.35 and len(self._there) < 7):
            self.come(self._chance.choice(list(self._kinds)))
        elif act < 0.65:
            visitor = self._chance.choice(self._there)
            if visitor.changes:
                self._chance.choice(visitor.changes)()
        else:
            self._leave(self._chance.choice(self._there))

    def come(self, kind: str) -> None:
        """One of that kind, wherever chance puts it."""
        self._there.append(self._kinds[kind]())
        self.done[kind] = self.done.get(kind, 0) + 1

    def empty(self) -> None:
        """All that are there leave."""
        for visitor in list(self._there):
            self._leave(visitor)

    def _leave(self, visitor: Visitor) -> None:
        for step in visitor.go:
            step()
        self._there.remove(visitor)

    # the words

    def _id(self, name: str) -> str:
        return f"{name}{next(self._numbers)}"

    def _somewhere(self) -> str:
        places = ["position=head", "position=tail"]
        return self._chance.choice(places + [place for visitor in self._there for place in visitor.places])

    def _queue(self) -> str:
        return self._chance.choice(("all", *DIRECTIONS))

    def _add(self, text: str) -> None:
        """An object, in the words of a command line; numbers and true and false are told apart from words."""
        type, *properties = text.split(",")
        given: dict[str, Any] = dict(property.split("=", 1) for property in properties)
        for name, value in given.items():
            if value.isdecimal():
                given[name] = int(value)
        self._colo.qmp("object-add", **{"qom-type": type}, **given)

    def _delete(self, id: str) -> Callable[[], None]:
        return lambda: self._colo.qmp("object-del", id=id)

    def _set(self, id: str, property: str, *values: object) -> Callable[[], None]:
        """What sets a property to one of these values."""
        return lambda: self._colo.qmp("qom-set", path=id, property=property, value=self._chance.choice(values))

    def _switch(self, id: str) -> Callable[[], None]:
        return self._set(id, "status", "on", "off")

    def _add_chardev(self, id: str, type: str, **data: Any) -> None:
        self._colo.qmp("chardev-add", id=id, backend={"type": type, "data": data})

    def _remove_chardev(self, id: str) -> Callable[[], None]:
        return lambda: self._colo.qmp("chardev-remove", id=id)

    # the kinds

    def _simple(self, text: str, id: str, *changes: Callable[[], None]) -> Visitor:
        self._add(f"{text},id={id},netdev=hn0,{self._somewhere()}")
        return Visitor([id], [self._switch(id), *changes], [self._delete(id)])

    def _mirror(self) -> Visitor:
        chardev, id = self._id("c"), self._id("m")
        self._add_chardev(chardev, "null")
        visitor = self._simple(f"filter-mirror,queue={self._queue()},outdev={chardev}", id)
        visitor.go.append(self._remove_chardev(chardev))
        return visitor

    def _mirror_to_socket(self) -> Visitor:
        chardev, id = self._id("c"), self._id("m")
        address = {"type": "unix", "data": {"path": str(self._sink)}}
        self._add_chardev(chardev, "socket", addr=address, server=False)
        wait_until(lambda: self._connected(chardev), f"{chardev} being connected")
        visitor = self._simple(f"filter-mirror,queue={self._chance.choice(DIRECTIONS)},outdev={chardev}", id)
        visitor.go.append(self._remove_chardev(chardev))
        return visitor

    def _connected(self, chardev: str) -> bool:
        return any(row["label"] == chardev and row["connected"] for row in self._colo.qmp("query-chardev"))

    def _buffer(self) -> Visitor:
        id = self._id("b")
        return self._simple(
            f"filter-buffer,queue={self._queue()},interval=5000", id, self._set(id, "interval", 1, 1000, 20_000)
        )

    def _drop(self) -> Visitor:
        id = self._id("d")
        visitor = self._simple(f"filter-drop,queue={self._queue()},status=off", id)
        visitor.changes = [self._set(id, "status", "off")]
        return visitor

    def _dump(self) -> Visitor:
        id = self._id("p")
        path = self._folder / f"{id}.pcap"
        visitor = self._simple(f"filter-dump,queue={self._queue()},maxlen=64,file={path}", id)
        visitor.go.append(path.unlink)
        return visitor

    def _rewriter(self) -> Visitor:
        return self._simple("filter-rewriter,queue=all", self._id("w"))

    def _redirectors(self) -> Visitor:
        return self._round(self._chance.choice(DIRECTIONS), self._somewhere())

    def _round(self, direction: str, place: str) -> Visitor:
        """Frames of a direction leave the chain into a pair, and come back from it a place further on."""
        chardev, out, into = self._id("c"), self._id("o"), self._id("i")
        self._add_chardev(chardev, "pair", peer=f"{chardev}x")
        common = f"netdev=hn0,queue={direction}"
        self._add(f"filter-redirector,id={into},indev={chardev}x,{common},{place}")
        self._add(f"filter-redirector,id={out},outdev={chardev},{common},{earlier(direction, into)}")
        leaving = [self._delete(out), self._delete(into), self._remove_chardev(chardev)]
        return Visitor(in_order(direction, out, into), [self._switch(out)], leaving)

    def _compare(self) -> Visitor:
        """
        What a direction brings is compared with itself.

        Mirror and redirector must begin and end with the same frame: redirectors lead frames round all until it stands.
        """
        direction = self._chance.choice(DIRECTIONS)
        bypass = self._round(direction, self._somewhere())
        out, into = in_order(direction, *bypass.filters)
        primary, secondary, released = (self._id("c") for _ in range(3))
        for chardev in (primary, secondary, released):
            self._add_chardev(chardev, "pair", peer=f"{chardev}x")
        thread, comparer, mirror, left, back = (self._id(name) for name in "tkmlr")
        self._add(f"iothread,id={thread}")
        self._add(
            f"colo-compare,id={comparer},primary_in={primary}x,secondary_in={secondary}x,outdev={released}"
            f",iothread={thread}"
        )
        common = f"netdev=hn0,queue={direction}"
        self._add(f"filter-redirector,id={back},indev={released}x,{common},{earlier(direction, into)}")
        self._add(f"filter-redirector,id={left},outdev={primary},{common},{earlier(direction, back)}")
        self._add(f"filter-mirror,id={mirror},outdev={secondary},{common},{earlier(direction, left)}")
        self._colo.qmp("qom-set", path=out, property="status", value="off")

        def count() -> None:
            counters = self._colo.counters()[f"object {comparer}"]
            assert "divergences" not in counters, counters
            self.compared += counters.get("compared", 0)

        leaving = [self._set(out, "status", "on"), count]
        leaving += [self._delete(id) for id in (mirror, left, comparer, back, thread)]
        leaving += [self._remove_chardev(chardev) for chardev in (primary, secondary, released)]
        return Visitor(in_order(direction, out, into), [self._switch(out)], leaving + bypass.go)


def earlier(direction: str, id: str) -> str:
    """Where a filter stands to be met just before another by frames of a direction."""
    return f"position=id={id},insert={'before' if direction == 'tx' else 'behind'}"


def in_order(direction: str, *met: str) -> list[str]:
    """Filters head first, by the order in which frames of a direction meet them; or the reverse."""
    return list(met if direction == "tx" else met[::-1])

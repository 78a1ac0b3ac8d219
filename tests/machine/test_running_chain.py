"""
Any order of filters that come, go and are switched, with frames between, beside a model of QEMU's chain.

The model is a list and a loop. Where ours is not QEMU's, it is ours: a redirector that is off injects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from colo_twisted.packets.batch import Batch
from tests.support.fakes import batch_of, packet
from tests.support.house import House

TX, RX = "tx", "rx"
SECOND = 1_000_000  # microseconds
CHARDEVS = 6

directions = st.sampled_from((TX, RX))
sizes = st.integers(1, 3)
queues = st.sampled_from(("all", TX, RX))
kinds = st.sampled_from(("filter-mirror", "filter-redirector", "filter-buffer", "filter-drop", "filter-rewriter"))


@dataclass
class ModelFilter:
    """``out`` and ``into`` are chardevs; ``held`` is a buffer's."""

    id: str
    kind: str
    queue: str
    on: bool
    out: str | None = None
    into: str | None = None
    held: list[tuple[int, str]] = field(default_factory=list)

    def looks_at(self, direction: str) -> bool:
        return self.on and self.queue in ("all", direction)


class Model:
    """QEMU's chain, head first, and what has come out of it where."""

    def __init__(self) -> None:
        self.filters: list[ModelFilter] = []
        self.out: dict[str, list[int]] = {"network": [], "guest": []}
        self.out |= {f"c{n}": [] for n in range(CHARDEVS)}
        self.network_up = self.guest_up = True

    def send(self, number: int, direction: str) -> None:
        if self.network_up if direction == TX else self.guest_up:
            self._walk(number, direction, self._order(direction))

    def behind(self, known: ModelFilter, number: int, direction: str) -> None:
        order = self._order(direction)
        self._walk(number, direction, order[order.index(known) + 1 :])

    def _order(self, direction: str) -> list[ModelFilter]:
        return self.filters if direction == TX else self.filters[::-1]

    def _walk(self, number: int, direction: str, order: list[ModelFilter]) -> None:
        for known in order:
            if not known.looks_at(direction):
                continue
            if known.out is not None:
                self.out[known.out].append(number)
            if known.kind == "filter-buffer":
                known.held.append((number, direction))
            if known.kind in ("filter-buffer", "filter-drop") or (known.kind == "filter-redirector" and known.out):
                return
        end, up = ("guest", self.guest_up) if direction == TX else ("network", self.network_up)
        if up:
            self.out[end].append(number)

    def release(self, known: ModelFilter) -> None:
        held, known.held = known.held, []
        for number, direction in held:
            self.behind(known, number, direction)

    def inject(self, known: ModelFilter, numbers: list[int]) -> None:
        for direction in (TX, RX):
            for number in numbers:
                if known.looks_at(direction):
                    self.behind(known, number, direction)


class RunningChain(RuleBasedStateMachine):
    """A house and the model, step by step."""

    @initialize()
    def build(self) -> None:
        chardevs = " ".join(f"-chardev fake,id=c{n}" for n in range(CHARDEVS))
        self.house = House(
            f"-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0 {chardevs}"
        ).start()
        self.model = Model()
        self.made = 0
        self.sent = 0

    def _batch(self, size: int) -> tuple[list[int], Batch]:
        numbers = list(range(self.sent + 1, self.sent + 1 + size))
        self.sent += size
        return numbers, batch_of(*(packet(f"{number}|") for number in numbers))

    def _free(self) -> list[str]:
        taken = {chardev for known in self.model.filters for chardev in (known.out, known.into)}
        return [f"c{n}" for n in range(CHARDEVS) if f"c{n}" not in taken]

    # frames

    @rule(direction=directions, size=sizes)
    def frames(self, direction: str, size: int) -> None:
        numbers, batch = self._batch(size)
        self.house.netdev("hn0" if direction == TX else "g0").receive(batch)
        for number in numbers:
            self.model.send(number, direction)

    @precondition(lambda self: any(known.into for known in self.model.filters))
    @rule(data=st.data(), size=sizes)
    def frames_on_indev(self, data: st.DataObject, size: int) -> None:
        known = data.draw(st.sampled_from([known for known in self.model.filters if known.into]))
        numbers, batch = self._batch(size)
        self.house.chardev(str(known.into)).deliver(batch)
        self.model.inject(known, numbers)

    # filters

    @rule(kind=kinds, queue=queues, on=st.booleans(), place=st.data())
    def add(self, kind: str, queue: str, on: bool, place: st.DataObject) -> None:
        free = self._free()
        self.made += 1
        queue = "all" if kind == "filter-rewriter" else queue  # it takes no other, and lets all pass that isn't TCP
        new = ModelFilter(f"f{self.made}", kind, queue, on)
        words = [f"{kind},id={new.id},netdev=hn0,queue={queue},status={'on' if on else 'off'}"]
        if kind == "filter-mirror":
            if not free:
                return
            new.out = free[0]
        elif kind == "filter-redirector":
            new.out, new.into = place.draw(st.sampled_from([(0, None), (None, 0), (0, 1)]).map(_pick(free)))
            if new.out is None and new.into is None:
                return
        words += [f"outdev={new.out}"] * bool(new.out) + [f"indev={new.into}"] * bool(new.into)
        words += [f"interval={SECOND}"] * (kind == "filter-buffer")
        at = place.draw(st.sampled_from(["head", "tail", *(f"id={known.id}" for known in self.model.filters)]))
        before = place.draw(st.booleans())
        words += [f"position={at}", f"insert={'before' if before else 'behind'}"]
        self.house.add("object", ",".join(words))
        ids = [known.id for known in self.model.filters]
        places = {"head": 0, "tail": len(ids)} | {f"id={id}": n + (not before) for n, id in enumerate(ids)}
        self.model.filters.insert(places[at], new)

    @precondition(lambda self: self.model.filters)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(self.model.filters))
        self.house.machine.remove("object", known.id)
        self.model.release(known)
        self.model.filters.remove(known)

    @precondition(lambda self: self.model.filters)
    @rule(data=st.data(), on=st.booleans())
    def switch(self, data: st.DataObject, on: bool) -> None:
        known = data.draw(st.sampled_from(self.model.filters))
        self.house.machine.change(known.id, "status", on)
        if not on:
            self.model.release(known)
        known.on = on

    @precondition(lambda self: any(known.held for known in self.model.filters))
    @rule()
    def a_second_passes(self) -> None:
        """Buffers release one after the other, from the head on."""
        for known in self.model.filters:
            if known.held:
                self.house.object(known.id).release()
                self.model.release(known)

    # cables

    @rule(which=st.sampled_from(("hn0", "e0")), up=st.booleans())
    def set_link(self, which: str, up: bool) -> None:
        self.house.machine.set_link(which, up)
        self.model.guest_up = up
        if which == "hn0":
            self.model.network_up = up

    # what must be so

    @invariant()
    def the_same_has_come_out_everywhere(self) -> None:
        if not hasattr(self, "house"):
            return
        netdevs = {"network": self.house.netdev("hn0"), "guest": self.house.netdev("g0")}
        ends = netdevs | {f"c{n}": self.house.chardev(f"c{n}") for n in range(CHARDEVS)}
        assert {name: [_number(each) for each in end.packets] for name, end in ends.items()} == self.model.out

    @invariant()
    def the_filters_stand_in_the_same_order(self) -> None:
        if hasattr(self, "house"):
            ours = [known.id for known in self.house.machine.chains["hn0"].filters]
            assert ours == [known.id for known in self.model.filters]


def _pick(free: list[str]):  # type: ignore[no-untyped-def]
    """From places among the free chardevs to the chardevs; None where there aren't so many."""
    return lambda places: tuple(free[n] if n is not None and n < len(free) else None for n in places)


def _number(frame: bytes) -> int:
    return int(frame[14:].partition(b"|")[0])


TestRunningChain = RunningChain.TestCase
TestRunningChain.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)

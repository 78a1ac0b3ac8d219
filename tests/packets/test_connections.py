"""The table of connections, against a model that looks at all of them each time."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets import connections
from colo_twisted.packets.connections import Connection, Connections

GRAIN = connections.GRAIN


class Known(Connection):
    """Lives ``life`` seconds without use; a test says whether it is engaged."""

    def __init__(self, key: bytes, now: float, life: float = 10.0) -> None:
        super().__init__(key, now)
        self.life = life
        self.is_engaged = False

    def lifetime(self) -> float:
        return self.life

    def engaged(self) -> bool:
        return self.is_engaged


def a_table(most: int, count: int = 0, life: float = 10.0) -> tuple[Connections, list[Known]]:
    """A table of connections that came a grain after each other."""
    table = Connections(most)
    known = [Known(b"%d" % n, n * GRAIN, life) for n in range(count)]
    for connection in known:
        assert table.add(connection)
    return table, known


def keys(table: Connections) -> set[bytes]:
    return {connection.key for connection in table.all()}


_steps = st.tuples(
    st.sampled_from(("add", "add", "add", "use", "engage", "rest", "hasten", "remove", "expire", "pass")),
    st.integers(0, 11),
    st.integers(1, 20),
)


@given(st.integers(1, 6), st.lists(_steps, max_size=80))
def test_it_is_what_a_plain_table_says(most: int, steps: list[tuple[str, int, int]]) -> None:
    table = Connections(most)
    model: dict[bytes, Known] = {}
    now = 0.0
    for what, number, amount in steps:
        key = b"%d" % number
        known = model.get(key)
        if what == "pass":
            now += amount
        elif what == "expire":
            expired = table.expire(now)
            for gone in expired:
                assert model.pop(gone.key) is gone
                assert not gone.engaged()
                assert gone.last_used + gone.lifetime() <= now
            for left in model.values():
                assert left.engaged() or left.last_used + left.life > now - GRAIN
        elif what == "add":
            if known is None:
                check_add(table, model, Known(key, now, float(amount)), most)
        elif known is None:
            assert table.get(key) is None
        elif what == "use":
            known.last_used = now
        elif what == "engage":
            known.is_engaged = True
        elif what == "rest":
            known.is_engaged = False
            table.rest(known)
        elif what == "hasten":
            known.life = min(known.life, float(amount))
            table.hasten(known)
        else:
            table.remove(known)
            del model[key]
        assert {each.key: each for each in table.all()} == model
        assert len(table) == len(model) <= most
        assert all(table.get(each) is model[each] for each in model)
        if any(not each.engaged() for each in model.values()):
            assert table.next_deadline is not None


def check_add(table: Connections, model: dict[bytes, Known], new: Known, most: int) -> None:
    """It is taken unless all are engaged, and at most one goes for it: one that isn't."""
    idle = [each for each in model.values() if not each.engaged()]
    assert table.add(new) == (len(model) < most or bool(idle))
    gone = [key for key in model if table.get(key) is None]
    assert len(gone) == (len(model) == most and bool(idle))
    for key in gone:
        assert not model.pop(key).engaged()
    if table.get(new.key) is new:
        model[new.key] = new


def test_all_expire_in_the_end_and_none_before_its_time() -> None:
    table, known = a_table(100, 20)
    table.expire(15.0)
    assert keys(table) == {each.key for each in known if each.last_used + 10.0 > 15.0 - GRAIN}
    while table.next_deadline is not None:
        now = table.next_deadline
        for gone in table.expire(now):
            assert now - GRAIN <= gone.last_used + 10.0 <= now
    assert len(table) == 0


def test_looking_at_what_is_due_costs_nothing_for_the_others() -> None:
    table, _ = a_table(10_000, 10_000, life=1e6)
    asked: list[bytes] = []

    class Asked(Known):
        def engaged(self) -> bool:
            asked.append(self.key)
            return False

    table.remove(table.all()[0])
    assert table.add(Asked(b"new", 0.0, 1.0))
    assert [each.key for each in table.expire(2.0)] == [b"new"]
    assert asked == [b"new"]
    for now in range(3, 100):
        assert table.expire(float(now)) == []
    assert asked == [b"new"]


def test_use_gives_a_second_chance_before_eviction() -> None:
    table, known = a_table(5, 5)
    for each in known[:4]:
        each.last_used = 20.0
    assert table.add(Known(b"new", 20.0))
    assert known[4].key not in keys(table)
    assert len(table) == 5


def test_one_that_makes_room_is_told_of() -> None:
    gone: list[Connection] = []
    table = Connections(1, gone.append)
    known = [Known(b"%d" % number, 0.0) for number in range(3)]
    assert all(map(table.add, known[:2]))
    assert gone == known[:1]
    table.remove(known[1])
    assert table.add(known[2])
    assert table.expire(20.0) == known[2:]
    assert gone == known[:1]


def test_when_all_are_in_use_one_goes_all_the_same() -> None:
    table, known = a_table(5, 5)
    for each in known:
        each.last_used = 20.0
    assert table.add(Known(b"new", 20.0))
    assert len(table) == 5
    assert b"new" in keys(table)


def test_second_chances_are_bounded() -> None:
    count = connections.MOST_SECOND_CHANCES + 500
    table = Connections(count)
    looked_at: list[bytes] = []

    class Looking(Known):
        def lifetime(self) -> float:
            looked_at.append(self.key)
            return 1e6

    for number in range(count):
        table.add(Looking(b"%d" % number, float(number), 1e6))
    for connection in table.all():
        connection.last_used = 2e6
    looked_at.clear()
    assert table.add(Known(b"new", 2e6))
    assert len(table) == count
    assert len(set(looked_at)) == connections.MOST_SECOND_CHANCES + 1


def test_the_oldest_idle_one_goes() -> None:
    table, known = a_table(5, 5)
    known[0].is_engaged = known[1].is_engaged = True
    assert table.add(Known(b"new", 5.0))
    assert keys(table) == {b"0", b"1", b"3", b"4", b"new"}


def test_engaged_ones_stay_and_expire_when_they_rest() -> None:
    table, known = a_table(2, 2)
    for each in known:
        each.is_engaged = True
    assert not table.add(Known(b"new", 5.0))
    assert table.expire(1000.0) == []
    assert table.next_deadline is None
    known[0].is_engaged = False
    table.rest(known[0])
    assert table.expire(1000.0) == [known[0]]
    assert keys(table) == {known[1].key}


def test_a_shorter_life_is_seen_to() -> None:
    table, known = a_table(5, 1, life=1000.0)
    known[0].life = 5.0
    table.hasten(known[0])
    assert table.expire(5.0 + GRAIN) == known
    assert table.expire(2000.0) == []


def test_one_that_was_removed_is_forgotten_and_its_key_free_for_another() -> None:
    table, known = a_table(5, 1)
    table.remove(known[0])
    table.remove(known[0])
    other = Known(known[0].key, 5.0)
    table.add(other)
    table.remove(known[0])
    assert table.get(other.key) is other
    assert table.expire(10.0 + GRAIN) == []
    assert table.expire(15.0 + GRAIN) == [other]


def test_nothing_keeps_alive_what_has_left_long_before_its_first_end() -> None:
    table = Connections(5)
    gone = []
    for number in range(100):
        connection = Known(b"%d" % (number % 7), float(number), life=1e6)
        table.add(connection)
        gone.append(weakref.ref(connection))
        if number % 3 == 0:
            table.remove(connection)
        elif number % 3 == 1:
            connection.life = 1.0
            table.hasten(connection)
            table.expire(number + 1.0 + GRAIN)
    del connection
    gc.collect()
    assert sum(each() is not None for each in gone) == len(table) <= 5


def test_by_itself_a_connection_has_no_life_and_is_not_engaged() -> None:
    plain = Connection(b"key", 3.0)
    assert (plain.key, plain.last_used, plain.lifetime(), plain.engaged()) == (b"key", 3.0, 0.0, False)


def test_some_are_a_part_of_all_in_their_order() -> None:
    table, known = a_table(10, count=5)
    assert table.some(0, 2) == known[:2]
    assert table.some(3, 10) == known[3:]
    assert table.some(5, 10) == table.some(0, 0) == []
    table.remove(known[1])
    assert [*table.some(0, 2), *table.some(2, 2)] == table.all()


def test_another_limit_holds_for_those_that_come() -> None:
    table, known = a_table(3, count=3)
    table.limit(4)
    assert table.add(Known(b"more", 9.0))
    assert len(table) == 4
    table.limit(2)
    for connection in table.all():
        connection.is_engaged = True
    assert not table.add(Known(b"too many", 9.0))
    assert keys(table) == {*(connection.key for connection in known), b"more"}

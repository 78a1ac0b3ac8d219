"""A table that was saved and loaded is the same table; what is no table is refused in a line."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.followed import Followed
from colo_twisted.packets.rewriting.rewriter import Rewriter
from colo_twisted.packets.rewriting.saving import TableError, read
from tests.packets.rewriting.take_overs import TakenOver
from tests.packets.rewriting.test_resets import rst, sent_by_client, sent_by_guest, taken_over
from tests.packets.rewriting.test_rewriting import is_over, replicas_of, services
from tests.support.cable import CLIENT_ISN, PRIMARY_ISN, Cable, client, guest, places
from tests.support.links import Network
from tests.support.replicas import CLIENT, CLIENT6, GUEST6
from tests.support.segments import SYN, Address, Segment
from tests.support.tcp import Endpoint

NOT_SAVED = {"keeps", "progressed"}  # a survivor keeps no output
OF_A_TABLE = {"hashed", "last_used", "number", "place", "slot"}


def fields(known: Followed) -> dict[str, Any]:
    names = [name for name in dir(known) if not name.startswith("_") and not callable(getattr(known, name))]
    return {name: getattr(known, name) for name in names if name not in NOT_SAVED | OF_A_TABLE}


def reloaded(cable: Cable, most: int = 100) -> Cable:
    """The cable with another rewriter that knows the same."""
    data = cable.rewriter.save()
    cable.rewriter = Rewriter(most)
    cable.rewriter.load(read(data, cable.now))
    cable.following, cable.counters = cable.rewriter.following, cable.rewriter.counters
    return cable


def said(batch: Batch | None) -> Any:
    return None if batch is None else (batch.data, batch.places, batch.vnet_hdr)


class Twin:
    """A rewriter, and beside it one that was loaded from what it saved: they say the same, byte for byte."""

    def __init__(self, first: Rewriter, now: float) -> None:
        self.first, self.second = first, Rewriter()
        self.second.load(read(first.save(), now))
        self.following = first.following

    def _both(self, way: str, *arguments: Any) -> Any:
        one, other = (getattr(rewriter, way)(*arguments) for rewriter in (self.first, self.second))
        assert said(one) == said(other)
        return one

    def to_guest(self, batch: Batch, now: float) -> Batch:
        return self._both("to_guest", batch, now)

    def from_guest(self, batch: Batch, now: float) -> Batch:
        return self._both("from_guest", batch, now)

    def take_for_guest(self) -> Batch | None:
        return self._both("take_for_guest")

    def take_for_client(self) -> Batch | None:
        return self._both("take_for_client")


class Restarted(TakenOver):
    def __init__(self, network: Network, client: Endpoint, primary: Endpoint, secondary: Endpoint) -> None:
        super().__init__(network, client, primary, secondary)
        self.rewriter: Any

    def restart(self) -> None:
        self.rewriter = Twin(self.rewriter, self.network.now)


@given(services, st.integers(1, 120), st.integers(0, 60), st.booleans(), st.booleans())
def test_one_that_was_saved_and_loaded_in_mid_stream_goes_on_byte_for_byte(
    service: dict[str, Any], milliseconds: int, later: int, survivor: bool, unprotected: bool
) -> None:
    met = replicas_of(service)
    replicas = Restarted(met.network, met.client, met.primary, met.secondary)
    network, one, other = replicas.network, replicas.client, replicas.secondary
    moment = 100.0 + milliseconds / 1000
    network.run(lambda: network.now > moment, replicas.turn)
    if survivor:
        if unprotected:
            replicas.rewriter.following.unprotect(None, network.now)
        replicas.fail_over()
        network.run(lambda: network.now > moment + later / 1000, replicas.turn)
    replicas.restart()
    over = network.run(lambda: is_over(one, other) and (survivor or is_over(replicas.primary)), replicas.turn, 60.0)
    assert over or unprotected or not survivor


def everything_different(known: Followed) -> Followed:
    """Each field has a value that none begins with."""
    for number, (name, value) in enumerate(sorted(fields(known).items())):
        if name not in ("key", "link"):
            setattr(known, name, not value if isinstance(value, bool) else number % 3 if value < 256 else number)
    return known


def test_every_field_of_a_connection_is_saved() -> None:
    cable = Cable(CLIENT6, GUEST6, (0xE007, 5)).open(stamped=True, scale=3)
    before = fields(everything_different(cable.known))
    assert len(before) > 25
    assert fields(reloaded(cable).known) == before


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("protecting", [True, False])
@pytest.mark.parametrize("followed", [True, False])
def test_the_tables_own_flags_are_saved(alone: bool, protecting: bool, followed: bool) -> None:
    cable = Cable()
    following = cable.following
    following.alone, following.protecting, following.all_followed = alone, protecting, followed
    following = reloaded(cable).following
    assert (following.alone, following.protecting, following.all_followed) == (alone, protecting, followed)


def test_a_survivors_connections_go_on_and_its_unprotected_ones_stay_reset() -> None:
    cable = Cable().open(stamped=True)
    taken_over(cable, unprotected=False)
    assert places(reloaded(cable).from_guest(guest(0, payload=b"x")))[0] == 0
    assert places(cable.to_guest(client(0, 1)))[1] == 1
    cable.following.unprotect(None, cable.now)
    assert sent_by_client(reloaded(cable), client(0, 1)) == ([], [rst(PRIMARY_ISN + 2)])
    assert sent_by_guest(cable, guest(0, 3)) == ([], [rst(CLIENT_ISN + 4)])


def test_connections_that_the_process_before_left_alone_are_left_alone() -> None:
    cable = Cable()
    taken_over(cable, unprotected=False)
    segment = Segment(7, 3000)
    sent_by_client(cable, Segment(6, flags=SYN))
    assert sent_by_client(reloaded(cable), segment) == ([segment], [])


def test_what_was_loaded_is_forgotten_in_time() -> None:
    cable = Cable()
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    cable.now += 1000.0
    reloaded(cable)
    cable.following.expire(cable.now + 59.0)
    assert len(cable.following) == 1
    cable.following.expire(cable.now + 62.0)
    assert len(cable.following) == 0


def test_more_than_there_is_room_for_are_counted() -> None:
    cable = Cable()
    for port in (1, 2, 3):
        cable.client = Address(CLIENT.mac, CLIENT.ip, port)
        cable.open()
    reloaded(cable, most=2)
    assert (len(cable.following), cable.counters.not_followed) == (2, 1)


# what is no table


def resealed(data: bytes) -> bytes:
    """With a checksum that is right."""
    return data[:-4] + struct.pack(">I", zlib.crc32(data[:-4]))


BODY_AT = 20
STATE_AT = BODY_AT + 1 + 12 + 1 + 14 + 2

BROKEN = {
    "empty": (lambda data: b"", r"no table of a rewriter \(0 bytes\)"),
    "of something else": (lambda data: b"\x7fELF" + data[4:], "no table of a rewriter"),
    "of another version": (
        lambda data: resealed(data[:8] + b"\0\7" + data[10:]),
        "a rewriter's table of version 7; this one reads version 1",
    ),
    "cut short": (lambda data: data[:-1], r"a rewriter's table of \d+ bytes that says it has \d+"),
    "with more behind it": (lambda data: data + b"\0", r"a rewriter's table of \d+ bytes that says it has \d+"),
    "changed": (lambda data: data[:30] + bytes((data[30] ^ 1,)) + data[31:], "with a wrong checksum"),
    "fewer records": (lambda data: resealed(data[:12] + bytes(4) + data[16:]), "bytes behind its last record"),
    "more records": (lambda data: resealed(data[:12] + b"\0\0\0\2" + data[16:]), "records don't fit its length"),
    "no such state": (
        lambda data: resealed(data[:STATE_AT] + b"\4" + data[STATE_AT + 1 :]),
        "a state or a window scale",
    ),
    "no such scale": (
        lambda data: resealed(data[: STATE_AT + 3] + b"\x0f" + data[STATE_AT + 4 :]),
        "a state or a window scale",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_wrong_or_old_file_is_an_error_in_one_line(how: str) -> None:
    change, message = BROKEN[how]
    data = change(Cable().open().rewriter.save())
    other = Rewriter()
    with pytest.raises(TableError, match=message) as caught:
        other.load(read(data, 10.0))
    assert "\n" not in str(caught.value)
    assert len(other.following) == 0


@given(st.data())
def test_a_table_cut_or_changed_anywhere_is_refused(data: st.DataObject) -> None:
    whole = Cable().open(stamped=True).rewriter.save()
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = data.draw(
        st.sampled_from(
            (whole[:at], whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :])
        )
    )
    with pytest.raises(TableError):
        read(broken, 10.0)

"""filter-rewriter at a take-over: resets, then what the guest's clients lack, in the same turn; and over a restart."""

from __future__ import annotations

import pytest

from colo_twisted.netfilter import rewriter as module
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.resets import AT_ONCE
from colo_twisted.packets.rewriting.saving import TableError, read
from tests.netfilter.test_rewriter import (
    CABLE,
    KEY,
    OTHER,
    OUT,
    a_house,
    from_client,
    from_guest,
    last,
    opened,
)
from tests.support.fakes import batch_of
from tests.support.house import House
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, RST, SYN, Address, Segment

ANSWER = Segment(3001, 101, payload=b"answer")  # OUT as the client sees it


def segments(house: House, netdev: str, since: int = 0) -> list[Segment | None]:
    return [Segment.of(packet) for packet in house.netdev(netdev).packets[since:]]


def counts(house: House) -> tuple[int, int]:
    return len(house.netdev("hn0").packets), len(house.netdev("guest").packets)


def with_another(house: House) -> House:
    """A second connection, which is unprotected; the first has output that nobody has acknowledged."""
    other = Address(CLIENT.mac, CLIENT.ip, 5)
    house.netdev("hn0").receive(batch_of(Segment(100, flags=SYN).packet(other, GUEST)))
    house.netdev("guest").receive(batch_of(Segment(7000, 101, SYN | ACK).packet(GUEST, other)))
    house.netdev("hn0").receive(batch_of(Segment(101, 4001).packet(other, GUEST)))
    house.object("rew0").unprotect([GUEST.ip + CLIENT.ip + KEY[8:10] + b"\0\5"])
    house.netdev("guest").receive(batch_of(OUT))
    return house


def test_resets_then_kept_output_then_what_waited_all_in_one_turn() -> None:
    house = with_another(opened(a_house()))
    rewriter = house.object("rew0")
    rewriter.begin_checkpoint()
    from_guest(house, Segment(5007, 101, payload=b"later"))
    to_network, to_guest = counts(house)
    rewriter.fail_over()
    assert segments(house, "guest", to_guest) == [Segment(101, 0, RST, 0)]
    assert segments(house, "hn0", to_network) == [
        Segment(4001, 0, RST, 0),
        Segment(4000, 101, ACK, 0),  # should that have been taken, it is answered by another RST
        ANSWER,
        Segment(3007, 101, payload=b"later"),
    ]
    counters = rewriter.counters
    assert (counters.resets_to_guest, counters.resets_to_client, counters.output_sent) == (1, 1, 1)
    assert counters.kept_bytes == 0
    assert len(house.reactor.getDelayedCalls()) == 1, "the expiry's alone"


def test_what_is_made_goes_past_the_filters_behind_it_only() -> None:
    house = House(
        f"{CABLE} -chardev fake,id=before -chardev fake,id=after"
        " -object filter-mirror,id=m0,netdev=hn0,queue=all,outdev=before"
        " -object filter-rewriter,id=rew0,netdev=hn0"
        " -object filter-mirror,id=m1,netdev=hn0,queue=all,outdev=after"
    ).start()
    with_another(opened(house))
    before, after = len(house.chardev("before").packets), len(house.chardev("after").packets)
    house.object("rew0").fail_over()
    assert house.chardev("before").packets[before:] == house.netdev("hn0").packets[-3:]
    assert house.chardev("after").packets[after:] == house.netdev("guest").packets[-1:]


def test_afterwards_either_end_of_an_unprotected_connection_is_answered() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    rewriter.unprotect(None)
    rewriter.fail_over()
    to_network, to_guest = counts(house)
    from_client(house, Segment(101, 3005, payload=b"more"))
    assert segments(house, "hn0", to_network) == [Segment(3005, 0, RST, 0)]
    assert counts(house) == (to_network + 1, to_guest)
    from_guest(house, Segment(5001, 106, payload=b"more"))
    assert segments(house, "guest", to_guest) == [Segment(106, 0, RST, 0)]
    assert counts(house) == (to_network + 1, to_guest + 1)
    assert rewriter.counters.dropped_unprotected == 2


def test_a_client_of_the_mixed_batch_gets_what_is_its_own() -> None:
    house = with_another(opened(a_house()))
    house.object("rew0").fail_over()
    _, to_guest = counts(house)
    other = Address(CLIENT.mac, CLIENT.ip, 5)
    house.netdev("hn0").receive(batch_of(Segment(101, 4001).packet(other, GUEST), OTHER))
    assert house.netdev("guest").packets[to_guest:] == [OTHER]


def test_so_many_resets_that_they_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESETS_A_TURN", AT_ONCE)
    house = opened(a_house())
    rewriter = house.object("rew0")
    others = [Address(CLIENT.mac, CLIENT.ip, port) for port in range(1000, 1000 + 2 * AT_ONCE)]
    house.netdev("guest").receive(Batch.from_packets([Segment(9, 9).packet(GUEST, other) for other in others]))
    house.netdev("guest").receive(batch_of(OUT))
    rewriter.fail_over()
    assert rewriter.counters.resets_to_guest == AT_ONCE
    assert last(house, "hn0") == ANSWER, "a client waits for it, and not for the resets of others"
    house.reactor.advance(0)
    house.reactor.advance(0)
    assert rewriter.counters.resets_to_guest == 2 * AT_ONCE
    house.reactor.advance(0)
    assert len(house.reactor.getDelayedCalls()) == 1, "the expiry's alone"


def test_stopping_ends_further_resets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESETS_A_TURN", AT_ONCE)
    house = a_house()
    others = [Address(CLIENT.mac, CLIENT.ip, port) for port in range(1000, 1000 + 2 * AT_ONCE)]
    house.netdev("guest").receive(Batch.from_packets([Segment(9, 9).packet(GUEST, other) for other in others]))
    house.object("rew0").fail_over()
    house.machine.stopService()
    assert house.reactor.getDelayedCalls() == []


# kept output


def test_unless_set_64_megabytes_are_kept_and_counted() -> None:
    house = opened(a_house())
    house.netdev("guest").receive(batch_of(OUT))
    rewriter = house.object("rew0")
    assert rewriter.rewriter.following.kept.most == 64 << 20
    assert rewriter.counters.kept_bytes > len(OUT)
    from_client(house, Segment(101, 3007))
    assert rewriter.counters.kept_bytes == 0


def test_max_kept_and_another_one_meanwhile() -> None:
    house = opened(a_house(",max_kept=1K"))
    rewriter = house.object("rew0")
    from_guest(house, Segment(5001, 101, payload=b"x" * 1000))
    assert rewriter.counters.dropped_max_kept == 1
    house.machine.change("rew0", "max_kept", 1 << 20)
    from_guest(house, Segment(6001, 101, payload=b"y" * 1000))
    assert rewriter.counters.dropped_max_kept == 1
    house.machine.change("rew0", "max_kept", 0)
    assert (rewriter.counters.dropped_max_kept, rewriter.rewriter.following.kept.held) == (2, 0)


def test_output_of_a_guest_whose_state_is_unknown_is_not_kept() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    house.netdev("guest").receive(batch_of(OUT))
    rewriter.begin_checkpoint()
    rewriter.abort_checkpoint(False)
    to_network, _ = counts(house)
    rewriter.fail_over()
    assert house.netdev("hn0").packets[to_network:] == []
    assert rewriter.counters.dropped_invalid == 1


# over a restart


def test_a_survivors_next_process_goes_on_where_it_was() -> None:
    house = opened(a_house())
    house.object("rew0").fail_over()
    saved = house.object("rew0").rewriter.save()
    after = a_house()
    after.object("rew0").rewriter.load(read(saved, 0.0))
    after.netdev("guest").receive(batch_of(OUT))
    assert last(after, "hn0") == ANSWER
    assert after.object("rew0").counters.connections == 1
    new = Segment(100, flags=SYN)
    house.netdev("hn0").receive(batch_of(new.packet(Address(CLIENT.mac, CLIENT.ip, 5), GUEST)))
    assert last(house, "guest") == new


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(TableError, match="no table of a rewriter"):
        read(b"something else", 0.0)

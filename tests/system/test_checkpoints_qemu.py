"""
What differs: held, a checkpoint asked for by the Xen messages, and let go when it is made; QEMU and ours alike.

The test is the peer of notify_dev, as Xen's tool stack is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.compare import CHECKPOINT_DONE, DO_CHECKPOINT, XEN_INIT, XEN_INIT_ANSWER, Comparison, Flow
from tests.support.processes import Colo, wait_until
from tests.support.qemu import QEMU
from tests.support.sides import Program

on_both = pytest.mark.parametrize("program", [QEMU, Colo], ids=["QEMU", "us"])
SOON = "compare_timeout=300,expired_scan_cycle=100"  # ms


@on_both
def test_a_xen_tool_stack_is_answered(program: Program, tmp_path: Path) -> None:
    with Comparison(program, tmp_path, notify=True) as compare:
        compare.notify.send([XEN_INIT])
        compare.wait_for_notices(XEN_INIT_ANSWER)


@on_both
def test_different_data_is_held_until_a_checkpoint_and_goes_out_in_order(program: Program, tmp_path: Path) -> None:
    with Comparison(program, tmp_path, notify=True) as compare:
        primary, secondary = compare.flows()
        ours = [primary.segment("PA", 1001 + 4 * number, 1, b"%4d" % number) for number in range(5)]
        theirs = [secondary.segment("PA", 1001 + 4 * number, 1, b"%4d" % (number + 7)) for number in range(5)]
        assert compare.from_primary(*ours[:3]) == []
        assert compare.from_secondary(*theirs) == []
        compare.wait_for_notices(DO_CHECKPOINT)
        assert compare.from_primary(*ours[3:]) == []
        others_go_on(compare)

        compare.notify.send([CHECKPOINT_DONE])
        compare.wait_for_packet(ours[-1])
        assert compare.settle() == ours


@on_both
def test_after_a_checkpoint_both_are_compared_anew(program: Program, tmp_path: Path) -> None:
    """What the secondary had sent before it is of a guest that is no more."""
    with Comparison(program, tmp_path, notify=True) as compare:
        primary, secondary = compare.flows()
        differs, follows, last = (primary.segment("PA", seq, 1, b"data") for seq in (1001, 1005, 1009))
        assert compare.from_primary(differs) == []
        theirs = [secondary.segment("PA", seq, 1, data) for seq, data in ((1001, b"else"), (1005, b"data"))]
        assert compare.from_secondary(*theirs) == []
        compare.wait_for_notices(DO_CHECKPOINT)
        compare.notify.send([CHECKPOINT_DONE])
        compare.wait_for_packet(differs)
        assert compare.settle() == [differs]

        assert compare.from_primary(follows) == []
        assert compare.from_secondary(secondary.segment("PA", 1005, 1, b"data")) == [follows]
        assert compare.from_secondary(secondary.segment("PA", 1009, 1, b"data")) == []
        assert compare.from_primary(last) == [last]


@on_both
def test_a_different_datagram_is_held_until_a_checkpoint(program: Program, tmp_path: Path) -> None:
    """QEMU asks for it at once, ours when none of the next few is like it either."""
    with Comparison(program, tmp_path, notify=True) as compare:
        primary, secondary = compare.flows()
        ours = primary.datagram(b"one answer")
        assert compare.from_primary(ours) == []
        assert compare.from_secondary(*[secondary.datagram(b"another answer") for _ in range(10)]) == []
        compare.wait_for_notices(DO_CHECKPOINT)
        others_go_on(compare)
        compare.notify.send([CHECKPOINT_DONE])
        compare.wait_for_packet(ours)
        assert compare.settle() == [ours]


def others_go_on(compare: Comparison) -> None:
    primary, secondary = compare.flows()
    packet = primary.segment("PA", 1, 1, b"equal")
    assert compare.from_primary(packet) == []
    assert compare.from_secondary(secondary.segment("PA", 1, 1, b"equal")) == [packet]


@on_both
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_what_the_secondary_never_says_asks_for_a_checkpoint_until_it_is_made(
    program: Program, protocol: str, tmp_path: Path
) -> None:
    with Comparison(program, tmp_path, SOON, notify=True) as compare:
        primary, _ = compare.flows()
        packet = primary.datagram(b"alone") if protocol == "UDP" else primary.segment("PA", 1, 1, b"alone")
        assert compare.from_primary(packet) == []
        wait_until(lambda: len(compare.notify.packets) > 1, "the request, and the request again")
        compare.wait_for_notices(DO_CHECKPOINT)
        compare.notify.send([CHECKPOINT_DONE])
        compare.wait_for_packet(packet)
        assert compare.settle() == [packet]


@on_both
@pytest.mark.parametrize("size", [0, 12], ids="{}-bytes".format)
def test_packets_keep_their_vnet_headers(program: Program, size: int, tmp_path: Path) -> None:
    """QEMU then wants a vnet header on what it is told by notify_dev's peer, and sends none itself."""
    with Comparison(program, tmp_path, notify=True, vnet_header=size) as compare:
        compare.notify.sends_vnet_headers = True
        primary, secondary = compare.flows()
        ours = [primary.segment("PA", 1001 + 4 * number, 1, b"%4d" % number) for number in range(3)]
        assert compare.from_primary(*ours) == []
        theirs = [secondary.segment("PA", 1001, 1, b"   0   "), secondary.segment("PA", 1008, 1, b"1 two")]
        assert compare.from_secondary(*theirs) == ours[:2]
        compare.wait_for_notices(DO_CHECKPOINT)
        compare.notify.send([CHECKPOINT_DONE])
        compare.wait_for_packet(ours[2])
        assert compare.settle() == ours[2:]
        assert set(compare.out.vnet_headers) == {bytes(size)}


def test_a_peer_that_sends_no_vnet_headers_to_notify_dev_is_understood_by_us(tmp_path: Path) -> None:
    with Comparison(Colo, tmp_path, notify=True, vnet_header=12) as compare:
        compare.notify.send([XEN_INIT])
        compare.wait_for_notices(XEN_INIT_ANSWER)


def reordered(primary: Flow, secondary: Flow) -> tuple[list[bytes], list[bytes]]:
    ours, theirs = ([flow.segment("PA", seq, 1, b"%4d" % seq) for seq in (1001, 1005)] for flow in (primary, secondary))
    return ours, theirs[::-1]


def several_datagrams(primary: Flow, secondary: Flow) -> tuple[list[bytes], list[bytes]]:
    ours, theirs = ([flow.datagram(b"%d" % number) for number in range(3)] for flow in (primary, secondary))
    return ours, theirs


def other_ip_ids(primary: Flow, secondary: Flow) -> tuple[list[bytes], list[bytes]]:
    ours, theirs = ([flow.of_protocol(132, b"an answer")] for flow in (primary, secondary))
    return ours, theirs


def other_fragments(primary: Flow, secondary: Flow) -> tuple[list[bytes], list[bytes]]:
    return primary.fragments(bytes(1000), 600), secondary.fragments(bytes(1000), 400)


@pytest.fixture(scope="module", params=[QEMU, Colo], ids=["QEMU", "us"])
def asking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """One program, for those tests that make no checkpoint."""
    with Comparison(request.param, tmp_path_factory.mktemp("asking"), notify=True) as comparison:
        yield comparison


@pytest.mark.parametrize("made", [reordered, several_datagrams, other_ip_ids, other_fragments])
def test_what_means_nothing_asks_for_no_checkpoint_of_ours_but_of_qemus(
    asking: Comparison, made: Callable[[Flow, Flow], tuple[list[bytes], list[bytes]]]
) -> None:
    """QEMU 7.2's shortcoming, and ours without it: each of these costs a replicated guest a checkpoint there."""
    asking.notify.packets.clear()
    ours, theirs = made(*asking.flows())
    assert asking.from_primary(*ours) == []
    released = asking.from_secondary(*theirs)
    asking.notify.send([XEN_INIT])  # whose answer is behind what was asked for
    if asking.program is QEMU:
        asking.wait_for_notices(DO_CHECKPOINT, XEN_INIT_ANSWER)
    else:
        asking.wait_for_notices(XEN_INIT_ANSWER)
        assert released == ours

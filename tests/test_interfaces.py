"""Every provider of an interface, fake and real, keeps what the interface promises."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyClass

from colo_twisted.chardev.null import NullChardev
from colo_twisted.chardev.pair import PairEnd
from colo_twisted.chardev.socket import SocketChardev
from colo_twisted.checkpoint.command import CheckpointCommand
from colo_twisted.checkpoint.xen import XenCheckpointer
from colo_twisted.compare.compare import ColoCompare
from colo_twisted.failover.peer import ColoPeer
from colo_twisted.interfaces import (
    IChain,
    IChangeable,
    IChardev,
    ICheckpointed,
    ICheckpointer,
    IColoPeer,
    IComparer,
    ICopy,
    IFilter,
    IHypervisor,
    IMachine,
    INetdev,
    IObject,
    IRetiring,
    IUser,
)
from colo_twisted.iothread import IOThread
from colo_twisted.machine import Machine
from colo_twisted.netdev.stream import StreamNetdev
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tun import ITun, KernelTun
from colo_twisted.netfilter.buffer import FilterBuffer
from colo_twisted.netfilter.chain import Chain
from colo_twisted.netfilter.drop import FilterDrop
from colo_twisted.netfilter.dump import FilterDump
from colo_twisted.netfilter.mirror import FilterMirror
from colo_twisted.netfilter.redirector import FilterRedirector
from colo_twisted.netfilter.rewriter import FilterRewriter
from colo_twisted.qemu.primary import PrimaryQEMU
from colo_twisted.qemu.secondary import SecondaryQEMU
from tests.support.fakes import FakeChain, FakeChardev, FakeMachine, FakeNetdev
from tests.support.wires import RecordingRewriter


@pytest.mark.parametrize(
    ("interface", "provider"),
    [
        *((IChardev, chardev) for chardev in (SocketChardev, PairEnd, NullChardev, FakeChardev)),
        *((INetdev, netdev) for netdev in (Tap, StreamNetdev, FakeNetdev)),
        *(
            (IFilter, made)
            for made in (FilterMirror, FilterRedirector, FilterDrop, FilterBuffer, FilterDump, FilterRewriter)
        ),
        *((IChain, chain) for chain in (Chain, FakeChain)),
        *((IMachine, machine) for machine in (Machine, FakeMachine)),
        *((ICheckpointer, made) for made in (CheckpointCommand, XenCheckpointer, PrimaryQEMU)),
        (IHypervisor, PrimaryQEMU),
        (ICopy, SecondaryQEMU),
        (IColoPeer, ColoPeer),
        (IComparer, ColoCompare),
        *((ICheckpointed, made) for made in (FilterRewriter, RecordingRewriter)),
        (IObject, IOThread),
        *((IChangeable, made) for made in (FilterBuffer, FilterMirror, FilterRedirector, FilterDrop, ColoCompare)),
        *((IRetiring, made) for made in (ColoCompare, FilterRewriter)),
        (IUser, ColoCompare),
        (ITun, KernelTun),
    ],
)
def test_methods(interface: type, provider: type) -> None:
    assert verifyClass(interface, provider, tentative=True)

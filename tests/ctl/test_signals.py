from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from colo_twisted.ctl.signals import Ended, ending, undisturbed

ENDING = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = [signal.getsignal(each) for each in ENDING]
    yield
    assert [signal.getsignal(each) for each in ENDING] == before


@pytest.mark.parametrize("each", ENDING)
def test_a_signal_ends_as_ctrl_c_does(each: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt) as ended, ending():
        signal.raise_signal(each)
    assert isinstance(ended.value, Ended)
    assert (str(ended.value), ended.value.status) == (f"ended by {each.name}", 128 + each)


def test_what_comes_after_it_is_taken_back_in_peace() -> None:
    """Both at once, too: the second's handler runs within the first one's exception."""
    done = False
    with pytest.raises(Ended, match="SIGHUP"), ending():  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGHUP)
        except KeyboardInterrupt:
            for each in ENDING:
                signal.raise_signal(each)
            done = True
            raise
    assert done


def test_a_signal_that_comes_meanwhile_ends_nothing() -> None:
    with ending(), undisturbed():
        for each in ENDING:
            signal.raise_signal(each)
    with pytest.raises(Ended), ending():  # noqa: PT012
        with undisturbed():
            pass
        signal.raise_signal(signal.SIGTERM)


def test_who_ignores_hangups_goes_on_at_one() -> None:
    """As behind nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

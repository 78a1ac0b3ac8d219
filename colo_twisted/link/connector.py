"""Connecting, and connecting again: until the peer is there, whoever of the two started first."""

from __future__ import annotations

import os
import random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure

from colo_twisted.reporting import Reporter

FIRST_DELAY = 0.05  # seconds


class Connector:
    """
    Tries an endpoint until it connects, with delays that double up to ``max_delay`` seconds.

    Twisted's ClientService logs every try, which over a night without a peer is a flood; this says
    what is wrong and then keeps quiet about it.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        factory: IProtocolFactory,
        max_delay: float,
        report: Reporter,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._factory = factory
        self._max_delay = max_delay
        self._report = report
        self._failures = 0  # in a row; a connection that didn't last counts as one
        self._connected_at = 0.0
        self._complained = False
        self._attempt: Deferred[IProtocol] | None = None
        self._retry: IDelayedCall | None = None
        self._stopped = False

    def connect(self) -> None:
        """Try now."""
        self._retry = None
        if not self._stopped:
            self._attempt = self._endpoint.connect(self._factory)
            self._attempt.addCallbacks(self._connected, self._failed)

    def lost(self) -> None:
        """The connection is no more; try again after a delay, a longer one each time that it didn't last."""
        lasted = self._reactor.seconds() - self._connected_at
        self._failures = 0 if lasted >= self._max_delay else self._failures + 1
        self._connect_again()

    def _connect_again(self) -> None:
        if self._stopped or self._retry is not None:
            return
        most = min(self._max_delay, FIRST_DELAY * 2 ** min(self._failures, 20))
        self._retry = self._reactor.callLater(random.uniform(most / 2, most), self.connect)

    def stop(self) -> None:
        """Try no more."""
        self._stopped = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._attempt is not None:
            self._attempt.cancel()

    def _connected(self, _: IProtocol) -> None:
        self._attempt = None
        self._connected_at = self._reactor.seconds()
        self._complained = False

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        if self._stopped or failure.check(CancelledError):
            return
        self._failures += 1
        if not self._complained:
            self._complained = True
            self._report.warn(
                f"cannot connect to {self._factory}: {_reason(failure)};"
                f" trying again, at most {self._max_delay:g} s apart",
                kind="connect",
            )
        self._connect_again()


def _reason(failure: Failure) -> str:
    """The kernel's words where the error has its number: Twisted's name it twice."""
    number = getattr(failure.value, "osError", None)
    return os.strerror(number) if isinstance(number, int) else failure.getErrorMessage().rstrip(".")

"""One run: a download, in the middle of which the primary and its guest are killed."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from colo_twisted.ctl.client import Client
from demo.account import Account, Compared
from demo.acts import MEGABYTE, Got, ask_for_greeting, got, start_asking, start_service
from demo.hosts import Hosts
from demo.programs import Failed, Program
from demo.wiring import Wiring, events

GREETING, OTHER_GREETING = "hello from the guest", "hello from the replica"
TAKING_OVER = 15.0  # seconds that a secondary may take, after which this demo has failed


@dataclass(frozen=True)
class Offer:
    """What the guests offer, by its size in bytes, and its SHA-256."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size // MEGABYTE} MB"


class Run:
    """Its steps are its methods, in their order here, but for ``diverge``, which may be left out."""

    def __init__(self, hosts: Hosts, folder: Path, account: Account, offer: Offer) -> None:
        self._account = account
        self._offer = offer
        self._divergences = 0
        self._wiring = Wiring(hosts, folder)
        self._folder = folder

    def build(self) -> None:
        """From bare hosts to two guests that wait for a client. Raises Failed."""
        wiring = self._wiring
        wiring.start_secondary()
        wiring.start_primary()
        wiring.plug_in_guests()
        self._guest = start_service(wiring.guest, self._folder)
        start_service(wiring.replica, self._folder)
        wiring.wait_synced()
        self._account.now("synced: new connections are protected")

    def diverge(self) -> None:
        """On purpose: the guests' greetings differ until a checkpoint has made them equal. Raises Failed."""
        self._divergences = 1
        first = ask_for_greeting(self._wiring.client)
        again = ask_for_greeting(self._wiring.client)
        self._account.must(first.text == again.text == GREETING, "the client must hear the primary's guest")
        self._account.at(first.began, "the client asks for a greeting, in which the guests differ")
        for line in self._wiring.primary_colo.said("comp0: (divergence|checkpoint .* is done)"):
            print("             " + re.sub("^colo-compare comp0: | at sequence number [0-9]+", "", line))
        self._account.at(first.ended, f"it gets '{first.text}', {_ms(first.ended - first.began)} after it asked")
        self._account.at(
            again.ended, f"asked once more, now that the guests are equal: {_ms(again.ended - again.began)}"
        )
        self._wiring.wait_synced()

    def download(self) -> None:
        """With the kill in the middle, and all that follows from it. Raises Failed."""
        wiring, account = self._wiring, self._account
        with wiring.secondary_colo.connect() as control:
            asking = start_asking(wiring.client, str(self._offer.size))
            asking.wait_for(r"began .*\n")
            account.at(float(asking.output.split()[1]), f"download begins: {self._offer} over HTTP")
            asking.wait_for("half")
            compared, sent_before = Compared.by(wiring), wiring.sent_by_secondary()
            killed = self._kill()
            over = self._taken_over(control, killed)
        down = self._ended(asking, over)
        sent = wiring.sent_by_secondary() - sent_before
        compared.tell(account, self._divergences)
        self._tell_download(down, killed, sent)
        account.must(sent_before == 0, "the secondary's host must not have sent before the kill")
        account.must(sent >= self._offer.size - down.by(over), "the rest must have come from the secondary's host")
        self._tell_greeting()
        account.must(wiring.secondary_colo.stop() == 0, "the secondary must end in order on SIGTERM")

    def _kill(self) -> float:
        """The primary's process and its guest's, at once; when that was. Raises Failed."""
        moment = time.monotonic()
        for program in (self._wiring.primary_colo.program, self._guest):
            if not program.running:
                raise Failed(f"{program.name} has ended before it was to be killed")
            program.kill()
        self._account.at(moment, "killed with SIGKILL: the primary's process, and its guest's")
        return moment

    def _taken_over(self, control: Client, killed: float) -> float:
        """When the secondary took over. Raises Failed."""
        deadline = time.monotonic() + TAKING_OVER
        closed = 0.0
        while time.monotonic() < deadline:
            for event in events(control):
                moment = self._account.clock.moment(event)
                if event["event"] == "COLO_CHARDEV_DISCONNECTED":
                    closed = moment
                if event["event"] == "COLO_FAILOVER":
                    self._account.at(closed, "the secondary sees the last connection to the primary closed: it is dead")
                    self._account.at(moment, "the secondary has taken over")
                    self._account.must(killed < closed <= moment, "the take-over must follow from the kill")
                    return moment
        stands = self._wiring.secondary_colo.ask("query-colo-replica")
        raise Failed(f"the secondary has not taken over: it is '{stands['state']}' ({stands['reason']})")

    def _ended(self, asking: Program, over: float) -> Got:
        """What the client got. Raises Failed."""
        down = got(asking)
        right = (down.size, down.sha256) == (self._offer.size, self._offer.sha256)
        verdict = f"SHA-256 {'right' if right else 'WRONG'} ({down.sha256[:16]}...)"
        self._account.at(down.first_after(over), "the client gets the first byte after that")
        self._account.at(down.ended, f"download ends: {down.size:,} bytes, {verdict}\n")
        self._account.must(right, "the download must be what was offered")
        return down

    def _tell_download(self, down: Got, killed: float, sent: int) -> None:
        before = down.by(killed)
        after = f"{down.size - before:,} after it; the secondary's host sent {sent:,} bytes"
        self._account.figure("received", f"{before:,} bytes before the kill, {after}")
        pause, usual = down.gaps(killed, down.ended), down.gaps(down.reads[1][0], killed)
        self._account.figure(
            "pause", f"{_ms(pause)} without a byte for the client (before the kill {_ms(usual)} at most)"
        )

    def _tell_greeting(self) -> None:
        """It shows who answers, and that a checkpoint has made the two equal. Raises Failed."""
        wanted, why = (GREETING, "as the checkpoint brought it") if self._divergences else (OTHER_GREETING, "its own")
        greeting = ask_for_greeting(self._wiring.client).text
        self._account.figure("greeting", f"the survivor's is '{greeting}', {why}")
        self._account.must(greeting == wanted, f"after the take-over the greeting must be '{wanted}'")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"

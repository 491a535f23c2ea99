"""What befalls the five places in a round. Each has a trouble of its own; the rest strikes where the dice say."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.servers.farm import MailFarm
from tests.servers.fault_proxy import FaultProxy, Faults
from tests.servers.recipient_policy import NO_OBJECTION
from tests.servers.trial.places import Place

GREYLISTED = "remote1"
"""To whom and from whom the first mail of each round is put off."""

Strike = Callable[["Troubles", Place, random.Random], None]


@dataclass
class Troubles:
    farm: MailFarm
    span: int
    """Bytes: about so many go through a connection when all goes well."""
    dice: random.Random
    told: Counter[str] = field(default_factory=Counter)
    """How often which trouble struck."""

    def strike(self, places: list[Place]) -> None:
        """For this round."""
        self.farm.policy.answer = Putting(self)
        for place in places:
            for one in self.dice.choice(OF_PLACE[place.user]):
                one(self, place, self.dice)

    def end(self, places: list[Place]) -> None:
        """All is well again; what was killed is started."""
        self.farm.policy.answer = None
        for place in places:
            place.sending.faults = place.fetching.faults = Faults()
        if not self.farm.dovecot.is_running:
            self.farm.start_dovecot()
        if not self.farm.postfix.is_running:
            self.farm.start_postfix()

    def somewhere(self) -> int:
        """A number of bytes, as often between 3 and 30 kB as between 30 and 300 kB, and so on up to `span`."""
        return int(math.exp(self.dice.uniform(math.log(3_000), math.log(self.span))))

    def count(self, what: str) -> None:
        self.told[what] += 1


class Putting:
    """Greylisting (450 4.2.0): a pair of sender and recipient is let in at its second try of the round."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._known: set[tuple[str, str]] = set()

    def __call__(self, attributes: Mapping[str, str]) -> str:
        pair = (attributes["sender"], attributes["recipient"])
        if pair in self._known or not any(address.startswith(GREYLISTED) for address in pair):
            return NO_OBJECTION
        self._known.add(pair)
        self._troubles.count("greylisted")
        return "450 4.2.0 Greylisted, please come again"


def _at_up(proxy: FaultProxy, place: int, deed: Callable[[], None], troubles: Troubles, what: str) -> None:
    def do() -> None:
        troubles.count(what)
        deed()

    proxy.faults = Faults(at_up=(place, do))


def _at_down(proxy: FaultProxy, place: int, deed: Callable[[], None], troubles: Troubles, what: str) -> None:
    def do() -> None:
        troubles.count(what)
        deed()

    proxy.faults = Faults(at_down=(place, do))


def cut_sending(troubles: Troubles, place: Place, dice: random.Random) -> None:
    place.sending.faults = Faults(cut_up_after=troubles.somewhere())
    troubles.count("sending cut after N bytes")


def cut_fetching(troubles: Troubles, place: Place, dice: random.Random) -> None:
    place.fetching.faults = Faults(cut_down_after=troubles.somewhere())
    troubles.count("fetching cut after N bytes")


def swallow(troubles: Troubles, place: Place, dice: random.Random) -> None:
    """Within a mail the server says nothing: what it says next is its reply to the final dot."""
    place.sending.faults = Faults(swallow_reply_after=troubles.somewhere())
    troubles.count("reply swallowed")


def kill_sender(troubles: Troubles, place: Place, dice: random.Random) -> None:
    _at_up(place.sending, troubles.somewhere(), place.kill, troubles, "node killed while sending")


def kill_fetcher(troubles: Troubles, place: Place, dice: random.Random) -> None:
    """Over POP3 this is DELE without QUIT."""
    _at_down(place.fetching, troubles.somewhere(), place.kill, troubles, "node killed while fetching")


def kill_postfix(troubles: Troubles, place: Place, dice: random.Random) -> None:
    _at_up(place.sending, troubles.somewhere(), troubles.farm.postfix.kill, troubles, "Postfix killed within DATA")


def kill_dovecot(troubles: Troubles, place: Place, dice: random.Random) -> None:
    deed = troubles.farm.dovecot.kill
    _at_down(place.fetching, troubles.somewhere(), deed, troubles, "Dovecot killed within RETR or FETCH")


def lose_goodbye(troubles: Troubles, place: Place, dice: random.Random) -> None:
    """The connections are lost after what was read was marked as deleted: POP3 deletes nothing then."""
    proxy = place.fetching
    _at_down(proxy, troubles.somewhere(), proxy.reset_all, troubles, "connection lost after DELE")


NOTHING: tuple[Strike, ...] = ()
OF_PLACE: dict[str, list[tuple[Strike, ...]]] = {
    "server": [NOTHING, (cut_sending,), (swallow,), (kill_sender,), (cut_fetching,), (kill_fetcher,), (kill_postfix,)],
    "remote1": [NOTHING, (kill_sender,), (cut_fetching,)],
    "remote2": [(cut_sending, cut_fetching), (swallow,), (swallow, cut_fetching)],
    "remote3": [NOTHING, (kill_postfix,), (kill_dovecot,), (kill_postfix, kill_dovecot)],
    "remote4": [NOTHING, (kill_fetcher,), (lose_goodbye,), (kill_sender,)],
}
"""For each place one of these, by the dice. remote1 is put off as well, and the mailbox of remote4 holds little."""

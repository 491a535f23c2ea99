"""What each place does in the course of the day, and the two clashes that the story wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from replicator.demo.application import Application
from replicator.demo.places import HEAD_OFFICE, KOELN, LAPTOP, Company

SHARED_CUSTOMER = 77
"""Both the head office and Köln change this one."""
SHARED_NAME = "Wine Bar Kontor"
"""Both Köln and the laptop enter a new customer of this name."""

Deed = Callable[[Application], object]

DEEDS: tuple[tuple[str, Deed, dict[str, int]], ...] = (
    ("customers entered", Application.add_customer, {HEAD_OFFICE: 9, KOELN: 6, LAPTOP: 3}),
    ("customers changed", Application.change_customer, {HEAD_OFFICE: 24, KOELN: 15, LAPTOP: 11}),
    ("price lists taken over", lambda application: application.reprice(60), {HEAD_OFFICE: 1}),
    ("offers written", Application.write_offer, {HEAD_OFFICE: 38, KOELN: 22, LAPTOP: 12}),
    ("offers that became orders", Application.take_order, {HEAD_OFFICE: 31, KOELN: 18, LAPTOP: 7}),
    ("orders invoiced", Application.write_invoice, {HEAD_OFFICE: 27, KOELN: 16}),
    ("payments booked", Application.book_payment, {HEAD_OFFICE: 5, KOELN: 2}),
    ("old offers deleted", Application.delete_offer, {HEAD_OFFICE: 14, KOELN: 4}),
)
"""(what, how, how often at each place), each deed a transaction of its own."""


@dataclass
class Worked:
    new: Counter[str] = field(default_factory=Counter)
    """Rows inserted at all places, by table."""
    deleted: Counter[str] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)
    """By place."""


def work_a_day(company: Company) -> Worked:
    """At each place in turn: they are offline, so that the order makes no difference."""
    worked = Worked()
    for place in company.places:
        with place.application() as application:
            for _, deed, times in DEEDS:
                for _ in range(times.get(place.name, 0)):
                    deed(application)
            _clash(application, place.name)
            worked.new += application.new
            worked.deleted += application.deleted
            worked.transactions[place.name] = application.transactions
    return worked


def _clash(application: Application, place: str) -> None:
    if place == HEAD_OFFICE:
        application.change_customer(SHARED_CUSTOMER, discount=5, note="frame contract")
    elif place == KOELN:
        application.change_customer(SHARED_CUSTOMER, phone="0221 998877", note="call first")
        application.add_customer(SHARED_NAME)
    elif place == LAPTOP:
        application.add_customer(SHARED_NAME)

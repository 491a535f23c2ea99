"""What each place does in the course of the day, and the two clashes that the story wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from replicator.demo.application import Application
from replicator.demo.places import HEAD_OFFICE, KOELN, LAPTOP, Company

SHARED_CUSTOMER = 77
"""Both the head office and Köln change this one."""
SHARED_NAME = "Wine Bar Kontor"
"""Both Köln and the laptop enter a new customer of this name."""

Deed = Callable[[Application], object]

Deeds = Sequence[tuple[str, Deed, dict[str, int]]]

DEEDS: Deeds = (
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


VERSION_2: Deeds = (
    ("complaints taken down", Application.take_complaint, {HEAD_OFFICE: 5}),
    ("e-mail addresses entered", Application.enter_email, {HEAD_OFFICE: 8}),
    ("customers changed, in version 1", Application.change_customer, {KOELN: 4, LAPTOP: 3}),
)
"""In the afternoon, when the head office has version 2 of the application."""
NEXT_DAY: Deeds = (
    ("complaints taken down", Application.take_complaint, {KOELN: 3}),
    ("e-mail addresses entered", Application.enter_email, {KOELN: 2}),
)
"""In the morning, when Köln has it, too."""


@dataclass
class Worked:
    new: Counter[str] = field(default_factory=Counter)
    """Rows inserted at all places, by table."""
    deleted: Counter[str] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)
    """By place."""


def work_a_day(company: Company) -> Worked:
    worked = Worked()
    work(company, worked, DEEDS, _clash)
    return worked


def work(
    company: Company,
    worked: Worked,
    deeds: Deeds,
    then: Callable[[Application, str], None] = lambda _application, _place: None,
) -> None:
    """At each place in turn: they are offline, so that the order makes no difference."""
    for place in company.places:
        with place.application() as application:
            for _, deed, times in deeds:
                for _ in range(times.get(place.name, 0)):
                    deed(application)
            then(application, place.name)
            worked.new += application.new
            worked.deleted += application.deleted
            worked.transactions[place.name] += application.transactions


def _clash(application: Application, place: str) -> None:
    if place == HEAD_OFFICE:
        application.change_customer(SHARED_CUSTOMER, discount=5, note="frame contract")
    elif place == KOELN:
        application.change_customer(SHARED_CUSTOMER, phone="0221 998877", note="call first")
        application.add_customer(SHARED_NAME)
    elif place == LAPTOP:
        application.add_customer(SHARED_NAME)

"""A place's work at Django's site, a portion at a time, with a record of the keys that were drawn and of those deleted.

The keys are the database's, as the ORM finds them: `save`, `bulk_create`, rows between two tables, transactions that
are given up as a whole or to a savepoint. Only what is committed stands in the record.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

Keys = dict[str, list[int]]
"""By table."""


class Desk:
    """One place. Where it changes rows that it has not made, others may do so too; what it deletes is its own."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.dice = random.Random(place)
        self.number = 0
        self.drawn: Keys = defaultdict(list)
        self.deleted: Keys = defaultdict(list)
        self.fresh: list[int] = []
        """Users that no other place can know."""

    def work(self, inserts: int) -> dict[str, Keys]:
        """Until so many rows are inserted, at least."""
        from django.db import transaction

        self.drawn, self.deleted, self.fresh = defaultdict(list), defaultdict(list), []
        deeds = [_user, _user, _group, _redirects, _log, _entries, _undone, _edit, _edit_all, _forget]
        while sum(map(len, self.drawn.values())) < inserts:
            with transaction.atomic():
                self.dice.choice(deeds)(self)
        return {"drawn": self.drawn, "deleted": self.deleted}

    def name(self) -> str:
        self.number += 1
        return f"{self.place}{self.number}"

    def note(self, *rows: Any) -> None:
        """These were inserted, if the transaction, or the savepoint, comes to a good end."""
        self._note(self.drawn, [(row._meta.db_table, row.pk) for row in rows])

    def delete(self, rows: Any) -> None:
        self._note(self.deleted, [(row._meta.db_table, row.pk) for row in rows])
        rows.delete()

    def _note(self, where: Keys, keys: list[tuple[str, int]]) -> None:
        from django.db import transaction

        assert all(type(key) is int for _, key in keys), keys
        for table, key in keys:
            transaction.on_commit(lambda table=table, key=key: where[table].append(key))

    def any(self, model: Any) -> Any:
        count = model.objects.count()
        return model.objects.order_by("pk")[self.dice.randrange(count)] if count else None


def _user(desk: Desk) -> None:
    from django.contrib.auth.models import Group, User
    from django.db import transaction

    user = User.objects.create_user(desk.name(), "", "secret", first_name="Ünal")
    user.last_name = "O'Neill"
    user.save()
    desk.note(user)
    transaction.on_commit(lambda: desk.fresh.append(user.pk))
    group = desk.any(Group)
    if group is not None:
        user.groups.add(group)
        desk.note(*User.groups.through.objects.filter(user=user))


def _group(desk: Desk) -> None:
    from django.contrib.auth.models import Group, Permission

    group = Group(name=desk.name())
    group.save()
    group.permissions.set(desk.dice.sample(list(Permission.objects.order_by("id")), 2))
    desk.note(group, *Group.permissions.through.objects.filter(group=group))


def _redirects(desk: Desk) -> None:
    from django.contrib.redirects.models import Redirect

    made = [Redirect(site_id=1, old_path=f"/{desk.name()}/", new_path="/") for _ in range(4)]
    desk.note(*Redirect.objects.bulk_create(made))


def _log(desk: Desk) -> None:
    _log_of(desk, desk.dice.randrange(1, 4))


def _log_of(desk: Desk, count: int) -> None:
    from django.contrib.admin.models import ADDITION, LogEntry
    from django.contrib.auth.models import User

    user = desk.any(User)
    if user is not None:
        made = [LogEntry(user=user, object_repr=desk.name(), action_flag=ADDITION) for _ in range(count)]
        desk.note(*LogEntry.objects.bulk_create(made))


def _entries(desk: Desk) -> None:
    """One by one."""
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.auth.models import User

    user = desk.any(User)
    if user is not None:
        for _ in range(2):
            desk.note(LogEntry.objects.create(user=user, object_repr=desk.name(), action_flag=CHANGE))


class _GivenUp(Exception):
    pass


def _undone(desk: Desk) -> None:
    """As a whole, or to a savepoint: then what was done before it stays."""
    from django.db import transaction

    _group(desk)
    try:
        with transaction.atomic():
            _user(desk)
            _log_of(desk, 1)
            raise _GivenUp
    except _GivenUp:
        pass
    transaction.set_rollback(desk.dice.random() < 0.5)


def _edit(desk: Desk) -> None:
    """Anybody's: another place may do the same."""
    from django.contrib.auth.models import User

    user = desk.any(User)
    if user is not None:
        user.last_login = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=desk.dice.randrange(10**7))
        user.save(update_fields=["last_login"])


def _edit_all(desk: Desk) -> None:
    from django.contrib.auth.models import User
    from django.db.models import F, Value
    from django.db.models.functions import Concat

    own = User.objects.filter(username__startswith=desk.place).order_by("-pk").values_list("pk", flat=True)[:3]
    User.objects.filter(pk__in=list(own)).update(last_name=Concat(F("username"), Value(" Müller")))


def _forget(desk: Desk) -> None:
    """A new user, with all that refers to it, and older rows of this place that nothing refers to."""
    from django.contrib.admin.models import LogEntry
    from django.contrib.auth.models import User
    from django.contrib.redirects.models import Redirect

    if desk.fresh:
        user = desk.fresh.pop()
        desk.delete(LogEntry.objects.filter(user=user))
        desk.delete(User.groups.through.objects.filter(user=user))
        desk.delete(User.objects.filter(pk=user))
    own = Redirect.objects.filter(old_path__startswith=f"/{desk.place}").order_by("pk").values_list("pk", flat=True)[:1]
    desk.delete(Redirect.objects.filter(pk__in=list(own)))

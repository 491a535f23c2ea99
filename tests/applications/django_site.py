"""A site made of the applications that come with Django, as they are: accounts, sessions, pages, redirects, the log.

`python -m tests.applications.django_site DATABASE COMMAND`, where DATABASE is what Django calls a database's settings,
as JSON. Commands:

    migrate         make or upgrade the tables, by Django's own migrations
    office SEED     a day at the head office: everything the site's models can do
    branch SEED     a day at a branch: what needs no number that counts up
    dump            all rows of all models, as the ORM gives them, as JSON
    serve PLACE     stays, as an application's server does: migrates, and then answers each line of its input with one
                    of its output, both JSON; a number is a portion of work (`django_work.Desk`), null asks for the dump
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import django
from django.conf import settings

EPOCH = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
WORDS = ("Grüße", "ß'\"\\;--", "日本語", "Ærø", "naïve", "100 %", "tab\tand\nline", "😀")


def main(database: str, command: str, *arguments: str) -> None:
    chosen = json.loads(database)
    if chosen["ENGINE"].endswith("mysql"):
        # Django asks for another driver, which has to be compiled; ours takes its place.
        import pymysql

        pymysql.install_as_MySQLdb()
    settings.configure(
        DATABASES={"default": chosen},
        INSTALLED_APPS=[
            f"django.contrib.{name}"
            for name in ("contenttypes", "auth", "sessions", "admin", "messages", "sites", "flatpages", "redirects")
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        SECRET_KEY="a test's",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        SITE_ID=1,
    )
    django.setup()
    commands: dict[str, Callable[..., None]] = {
        "migrate": _migrate,
        "office": _office,
        "branch": _branch,
        "dump": _dump,
        "serve": _serve,
    }
    commands[command](*arguments)


def _serve(place: str) -> None:
    from tests.applications.django_work import Desk

    _migrate()
    desk = Desk(place)
    for line in sys.stdin:
        inserts = json.loads(line)
        if inserts is None:
            _dump()
        else:
            print(json.dumps(desk.work(inserts)), flush=True)


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


# --- a day's work -----------------------------------------------------------------------------------------------------


def _office(seed: str) -> None:
    dice = random.Random(seed)
    for _ in range(12):
        dice.choice((_accounts, _groups, _pages, _redirects, _protocol, _withdrawn))(dice)
    _branch(seed)


def _branch(seed: str) -> None:
    dice = random.Random(f"branch {seed}")
    for _ in range(12):
        dice.choice((_visits, _edits))(dice)


def _accounts(dice: random.Random) -> None:
    from django.contrib.auth.models import User

    name = f"user{dice.randrange(10**9)}"
    user = User.objects.create_user(name, f"{name}@example.com", _word(dice), first_name=_word(dice))
    user.last_login = _time(dice)
    user.save()
    if dice.random() < 0.3:
        _any(User, dice).delete()


def _groups(dice: random.Random) -> None:
    from django.contrib.auth.models import Group, Permission, User

    group = Group.objects.create(name=f"{_word(dice)} {dice.randrange(10**9)}")
    group.permissions.set(dice.sample(list(Permission.objects.order_by("id")), 3))
    users = list(User.objects.order_by("id"))
    for user in dice.sample(users, min(2, len(users))):
        user.groups.add(group)
    if dice.random() < 0.3:
        _any(Group, dice).delete()


def _pages(dice: random.Random) -> None:
    from django.contrib.flatpages.models import FlatPage
    from django.contrib.sites.models import Site

    page = FlatPage.objects.create(
        url=f"/{dice.randrange(10**9)}/",
        title=_word(dice),
        content=" ".join(_word(dice) for _ in range(dice.randrange(200))),
        enable_comments=dice.random() < 0.5,
    )
    page.sites.add(*Site.objects.all())


def _redirects(dice: random.Random) -> None:
    from django.contrib.redirects.models import Redirect

    Redirect.objects.create(site_id=1, old_path=f"/{dice.randrange(10**9)}", new_path=_word(dice))


def _protocol(dice: random.Random) -> None:
    from django.contrib.admin.models import ADDITION, LogEntry
    from django.contrib.auth.models import User

    LogEntry.objects.create(
        user=_any(User, dice) or User.objects.create_user("root"),
        action_time=_time(dice),
        object_repr=_word(dice),
        action_flag=ADDITION,
        change_message=json.dumps([{"added": {"name": _word(dice)}}]),
    )


def _withdrawn(dice: random.Random) -> None:
    """Work that is undone, as a whole and to a savepoint."""
    from django.contrib.auth.models import Group
    from django.db import transaction

    for whole in (True, False):
        try:
            with transaction.atomic():
                Group.objects.create(name=f"stays {dice.randrange(10**9)}")
                try:
                    with transaction.atomic():
                        Group.objects.create(name=f"goes {dice.randrange(10**9)}")
                        raise _Undone
                except _Undone:
                    pass
                if whole:
                    raise _Undone
        except _Undone:
            pass


class _Undone(Exception):
    pass


def _visits(dice: random.Random) -> None:
    """Sessions have keys that anybody may make."""
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session

    session = SessionStore(session_key=None)
    session["basket"] = [_word(dice) for _ in range(dice.randrange(9))]
    session.set_expiry(_time(dice))
    session.create()
    if dice.random() < 0.5:
        session["more"] = _word(dice)
        session.save()
    if dice.random() < 0.2:
        _any(Session, dice).delete()


def _edits(dice: random.Random) -> None:
    from django.contrib.auth.models import User
    from django.db.models import F, Value
    from django.db.models.functions import Concat

    user = _any(User, dice)
    if user is None:
        return
    user.last_login = _time(dice)
    user.is_staff = not user.is_staff
    user.save(update_fields=["last_login", "is_staff"])
    User.objects.filter(id__gt=user.id).update(last_name=Concat(F("username"), Value(_word(dice))))


def _any(model: Any, dice: random.Random) -> Any:
    found = list(model.objects.order_by("pk"))
    return dice.choice(found) if found else None


def _word(dice: random.Random) -> str:
    return dice.choice(WORDS)


def _time(dice: random.Random) -> datetime:
    """With microseconds, or none."""
    return EPOCH + timedelta(microseconds=dice.choice((1, 10**5, 10**6)) * dice.randrange(10**8))


# --- what is there ----------------------------------------------------------------------------------------------------


def _dump() -> None:
    from django.apps import apps

    models = sorted(apps.get_models(include_auto_created=True), key=lambda model: model._meta.db_table)
    print(json.dumps({model._meta.db_table: _rows(model) for model in models}, ensure_ascii=False), flush=True)


def _rows(model: Any) -> list[list[str]]:
    rows = model.objects.order_by("pk").values_list()
    return [[repr(value) for value in row] for row in rows]


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The mail account's section of replicator.toml: how one logs in, whom one trusts, and what is missing for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.config import Account, make, parse
from replicator.config_text import changed_text, render
from replicator.errors import ConfigurationError

SERVERS = {"address": "office@example.com", "mailbox": "imaps://imap.example.com", "send": "smtps://smtp.example.com"}


def content(**values: Any) -> dict[str, Any]:
    account = {**SERVERS, **values}
    return {"role": "host", "name": "office", "database": "sqlite:////srv/app.db", "SERVER": account}


def account(**values: Any) -> Account:
    return make(content(**values)).account


def test_what_is_not_told_has_a_default() -> None:
    plain = account()
    assert (plain.auth, plain.ca, plain.password_file) == ("password", None, None)
    assert plain.oauth_authority.startswith("https://login.microsoftonline.com/")


def test_all_of_it_is_read_back() -> None:
    told = make(
        content(
            ca="/etc/ours.pem",
            auth="oauth2",
            password_file="/srv/password",
            oauth_client_id="11111111-2222-3333-4444-555555555555",
            oauth_authority="https://localhost:8443/tenant",
        )
    )
    assert parse(render(told), "replicator.toml") == told


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"auth": "kerberos"}, "SERVER.auth: input should be 'password' or 'oauth2'"),
        ({"auth": "oauth2"}, "SERVER: the key 'oauth_client_id' is missing"),
        ({"oauth_client_id": "a b"}, "SERVER.oauth_client_id: "),
        ({"oauth_authority": "http://example.com/x"}, "SERVER.oauth_authority: not a URL that begins with https:"),
        ({"oauth_authority": "https://example.com/"}, "SERVER.oauth_authority: an authority names its tenant"),
        ({"oauth_authority": "https://me:hemlig@example.com/x"}, "must not hold a password"),
        ({"ca": ""}, "SERVER.ca: not the path of a file"),
        ({"password_file": "a\nb"}, "SERVER.password_file: not the path of a file"),
        ({"pasword_file": "a"}, "did you mean 'password_file'?"),
    ],
)
def test_each_mistake_has_its_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(content(**values))
    assert sentence in str(caught.value)
    assert "hemlig" not in str(caught.value)


# --- changed in place ---------------------------------------------------------------------------------------------

OWN = """\
# Ours, kept by Ada.
role = "host"
name = "office"
database = "sqlite:////srv/app.db"  # on the fast disk

[SERVER]   # the mailbox
address = "office@example.com"
# we moved here in spring
mailbox = "imaps://imap.example.com"
  send = "smtps://smtp.example.com"
# title = ""

[run]
# title = "not this one"
probe_minutes = 30
"""


def test_a_change_leaves_everything_else_as_people_wrote_it() -> None:
    wanted = make({**content(title='Büro "1"', mailbox="pop3s://pop.example.com"), "run": {"probe_minutes": 30}})
    text = changed_text(OWN, wanted, "SERVER", {"title", "mailbox"})
    assert parse(text, "x") == wanted
    assert text == OWN.replace("imaps://imap.example.com", "pop3s://pop.example.com").replace(
        '# title = ""', 'title = "Büro \\"1\\""'
    )


@given(comment=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40), crlf=st.booleans())
def test_line_ends_and_comments_of_any_kind_stay(comment: str, crlf: bool) -> None:
    text = OWN.replace("# we moved here in spring", f"# {comment}").replace("\n", "\r\n" if crlf else "\n")
    wanted = make({**content(title="x", ca="/etc/ours.pem"), "run": {"probe_minutes": 30}})
    changed = changed_text(text, wanted, "SERVER", {"title", "ca"})
    assert parse(changed, "x") == wanted
    assert changed.replace("\r\n", "\n").count("\r") == text.replace("\r\n", "\n").count("\r")
    assert ("\r\n" in changed) is crlf
    before, after = (each.replace("\r\n", "\n").split("\n") for each in (text, changed))
    assert [line for line in after if line not in before] == ['ca = "/etc/ours.pem"', 'title = "x"']


def test_a_value_that_goes_is_commented_out_and_one_that_comes_is_added() -> None:
    wanted = make({**content(ca="/etc/ours.pem"), "run": {"probe_minutes": 30}})
    text = changed_text(OWN, wanted, "SERVER", {"ca"})
    assert parse(text, "x") == wanted
    assert text.count("\n") == OWN.count("\n") + 1
    back = make({**content(), "run": {"probe_minutes": 30}})
    again = changed_text(text, back, "SERVER", {"ca"})
    assert parse(again, "x") == back
    assert "\n# ca =\n" in again


@pytest.mark.parametrize(
    "section",
    [
        'SERVER = {address = "office@example.com", mailbox = "imaps://imap.example.com", send = "smtps://y"}\n',
        'SERVER.address = "office@example.com"\nSERVER.mailbox = "imaps://imap.example.com"\nSERVER.send = "smtps://y"\n',
        '["SERVER"]\naddress = "office@example.com"\nmailbox = """imaps://imap.\\\nexample.com"""\nsend = "smtps://y"\n',
    ],
)
def test_what_is_written_in_another_way_is_still_right(section: str) -> None:
    head = 'role = "host"\nname = "office"\ndatabase = "sqlite:////srv/app.db"\n'
    wanted = make(content(mailbox="pop3s://pop.example.com", send="smtps://y"))
    assert parse(changed_text(head + section, wanted, "SERVER", {"mailbox"}), "x") == wanted

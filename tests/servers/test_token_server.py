"""What Microsoft's library and Dovecot say to the token server."""

from __future__ import annotations

import imaplib
import smtplib
from typing import Any

import msal
import pytest

from tests.servers.clients import trusting
from tests.servers.farm import MailFarm

SCOPES = ["https://outlook.office.com/SMTP.Send", "https://outlook.office.com/IMAP.AccessAsUser.All"]

CERTIFICATES_OF_REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where one of these is set, `requests` heeds it more than what `verify=` said to msal."""


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.fixture
def application(farm: MailFarm, monkeypatch: pytest.MonkeyPatch) -> msal.PublicClientApplication:
    for name in CERTIFICATES_OF_REQUESTS:
        monkeypatch.delenv(name, raising=False)
    return msal.PublicClientApplication(
        "a-client", authority=farm.tokens.authority, instance_discovery=False, verify=str(farm.authority)
    )


def log_in(farm: MailFarm, application: msal.PublicClientApplication, user: str = "remote1") -> dict[str, Any]:
    flow = application.initiate_device_flow(SCOPES)
    farm.tokens.approve(flow["user_code"], farm.address(user))
    return application.acquire_token_by_device_flow(flow)


def greeting(farm: MailFarm, token: str, user: str = "remote1") -> bytes:
    return f"user={farm.address(user)}\1auth=Bearer {token}\1\1".encode()


def fetches(farm: MailFarm, token: str) -> bool:
    with imaplib.IMAP4_SSL("localhost", farm.port["imaps"], ssl_context=trusting(farm)) as client:
        try:
            client.authenticate("XOAUTH2", lambda challenge: b"" if challenge else greeting(farm, token))
        except imaplib.IMAP4.error:
            return False
        return True


def test_a_token_from_the_device_flow_opens_imap_and_smtp(
    farm: MailFarm, application: msal.PublicClientApplication
) -> None:
    token = log_in(farm, application)["access_token"]
    assert fetches(farm, token)
    with smtplib.SMTP_SSL("localhost", farm.port["smtps"], context=trusting(farm)) as client:
        client.ehlo()
        client.auth("XOAUTH2", lambda challenge=None: "" if challenge else greeting(farm, token).decode())
        client.sendmail(farm.address("remote1"), farm.address("server"), b"Subject: x\r\n\r\n")
    farm.settle()
    assert len(farm.mailboxes.contents("server")) == 1


def test_a_token_is_good_for_its_own_mailbox_and_its_time_only(farm: MailFarm) -> None:
    assert fetches(farm, farm.tokens.issue(farm.address("remote1")))
    assert not fetches(farm, farm.tokens.issue(farm.address("remote2")))
    assert not fetches(farm, farm.tokens.issue(farm.address("remote1"), seconds=-1))
    assert not fetches(farm, "made-up")


def test_an_account_is_remembered_and_its_token_refreshed(
    farm: MailFarm, application: msal.PublicClientApplication
) -> None:
    first = log_in(farm, application)["access_token"]
    (account,) = application.get_accounts()
    assert account["username"] == farm.address("remote1")
    assert application.acquire_token_silent(SCOPES, account)["access_token"] == first
    farm.tokens.end_access()
    assert not fetches(farm, first)
    second = application.acquire_token_silent(SCOPES, account, force_refresh=True)["access_token"]
    assert second != first
    assert fetches(farm, second)
    farm.tokens.revoke_all()
    assert not fetches(farm, second)
    assert application.acquire_token_silent_with_error(SCOPES, account, force_refresh=True)["error"] == "invalid_grant"


@pytest.mark.parametrize(("what", "error"), [("decline", "authorization_declined"), ("expire", "expired_token")])
def test_a_person_who_declines_or_comes_too_late(
    farm: MailFarm, application: msal.PublicClientApplication, what: str, error: str
) -> None:
    flow = application.initiate_device_flow(SCOPES)
    assert flow["user_code"] in farm.tokens.waiting()
    getattr(farm.tokens, what)(flow["user_code"])
    assert application.acquire_token_by_device_flow(flow)["error"] == error


def test_a_device_waits_for_its_person(farm: MailFarm, application: msal.PublicClientApplication) -> None:
    flow = application.initiate_device_flow(SCOPES)
    once = application.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
    assert once["error"] == "authorization_pending"

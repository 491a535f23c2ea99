"""The servers do what tests rely on, told with the standard library's clients."""

from __future__ import annotations

import os
import poplib
import signal
import smtplib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.clients import imap, pop3, smtp, trusting
from tests.servers.farm import SMALL_QUOTA, SMALL_QUOTA_USER, MailFarm
from tests.servers.guardian import groups_of
from tests.servers.mailboxes import JUNK
from tests.servers.postfix import SMALL_LIMIT
from tests.servers.processes import wait_until
from tests.servers.recipient_policy import Greylisting

MAIL = b"Subject: Hello\r\n\r\nHow are you?\r\n"
LINE = b"x" * 70 + b"\r\n"


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


def send(farm: MailFarm, raw: bytes = MAIL, to: str = "remote1", kind: str = "smtp") -> None:
    with smtp(farm, kind=kind) as client:
        client.sendmail(farm.address("server"), farm.address(to), raw)


def subjects_by_imap(farm: MailFarm) -> int:
    with imap(farm) as client:
        return len(client.search(None, "ALL")[1][0].split())


def test_a_mail_arrives_and_is_fetched_both_ways(farm: MailFarm) -> None:
    send(farm)
    farm.settle()
    with pop3(farm) as client:
        assert b"How are you?" in client.retr(1)[1]
    assert subjects_by_imap(farm) == 1
    (lying,) = farm.mailboxes.contents("remote1")
    assert b"How are you?" in lying


def test_encryption_from_the_first_byte(farm: MailFarm) -> None:
    with smtplib.SMTP_SSL("localhost", farm.port["smtps"], context=trusting(farm)) as client:
        client.login(farm.address("server"), farm.password("server"))
        client.sendmail(farm.address("server"), farm.address("remote1"), MAIL)
    farm.settle()
    assert len(farm.mailboxes.contents("remote1")) == 1


def test_a_wrong_password_is_refused_at_once_and_every_time(farm: MailFarm) -> None:
    for _ in range(5):
        client = poplib.POP3_SSL("localhost", farm.port["pop3s"], context=trusting(farm))
        client.user(farm.address("remote1"))
        with pytest.raises(poplib.error_proto, match="AUTH"):
            client.pass_("wrong")
        client.close()
    with smtplib.SMTP_SSL("localhost", farm.port["smtps"], context=trusting(farm)) as sender:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            sender.login(farm.address("server"), "wrong")
        assert refused.value.smtp_code == 535


def test_nobody_sends_for_another(farm: MailFarm) -> None:
    with smtp(farm, "remote1") as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.sendmail(farm.address("server"), farm.address("remote1"), MAIL)
    ((code, _),) = refused.value.recipients.values()
    assert code == 553


def test_a_mailbox_that_is_full(farm: MailFarm) -> None:
    farm.mailboxes.put(SMALL_QUOTA_USER, b"Subject: Filling\n\n" + LINE * (SMALL_QUOTA // len(LINE)))
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(farm, to=SMALL_QUOTA_USER)
    ((code, text),) = refused.value.recipients.values()
    assert (code, text[:5]) == (552, b"5.2.2")


def test_a_mailbox_that_is_full_only_when_the_mail_comes_sends_a_notice(farm: MailFarm) -> None:
    """Smaller than the quota at RCPT, as its size was not told."""
    with smtp(farm) as client:
        client.mail(farm.address("server"))
        client.rcpt(farm.address(SMALL_QUOTA_USER))
        client.data(MAIL + LINE * (SMALL_QUOTA // len(LINE) + 1))
    farm.settle()
    assert farm.mailboxes.contents(SMALL_QUOTA_USER) == []
    (notice,) = farm.mailboxes.contents("server")
    assert b"report-type=delivery-status" in notice
    assert b"Status: 5.2.2" in notice


def test_greylisting_turns_away_once(farm: MailFarm) -> None:
    farm.policy.answer = greylisting = Greylisting()
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(farm)
    ((code, _),) = refused.value.recipients.values()
    assert (code, greylisting.turned_away) == (450, 1)
    send(farm)
    farm.settle()
    assert len(farm.mailboxes.contents("remote1")) == 1


def test_a_limit_that_is_told_and_one_that_is_not(farm: MailFarm) -> None:
    large = MAIL + LINE * (SMALL_LIMIT // len(LINE) + 1)
    with smtp(farm, kind="small") as told, smtp(farm, kind="silent") as untold:
        assert told.esmtp_features["size"] == str(SMALL_LIMIT)
        assert "size" not in untold.esmtp_features
    with pytest.raises(smtplib.SMTPSenderRefused) as at_mail:
        send(farm, large, kind="small")
    with pytest.raises(smtplib.SMTPDataError) as at_data:
        send(farm, large, kind="silent")
    assert (at_mail.value.smtp_code, at_data.value.smtp_code) == (552, 552)


def test_strangers_send_without_log_in_but_only_to_us(farm: MailFarm) -> None:
    with smtplib.SMTP("localhost", farm.port["outside"]) as client:
        client.sendmail("somebody@elsewhere.test", farm.address("remote1"), MAIL)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("somebody@elsewhere.test", "somebody@elsewhere.test", MAIL)
    farm.settle()
    assert len(farm.mailboxes.contents("remote1")) == 1


def test_mail_is_kept_through_crashes(farm: MailFarm) -> None:
    farm.dovecot.kill()
    send_anyway = smtplib.SMTP("localhost", farm.port["outside"])
    send_anyway.sendmail("somebody@elsewhere.test", farm.address("remote1"), MAIL)
    farm.postfix.kill()
    assert farm.queued() == 1
    farm.start_dovecot()
    farm.start_postfix()
    farm.settle()
    farm.dovecot.kill()
    farm.start_dovecot()
    assert subjects_by_imap(farm) == 1


def test_an_orderly_stop_can_be_followed_by_a_start(farm: MailFarm) -> None:
    for server, start in ((farm.postfix, farm.start_postfix), (farm.dovecot, farm.start_dovecot)):
        server.stop()
        start()
    send(farm)
    farm.settle()
    assert subjects_by_imap(farm) == 1


def test_renumbering_changes_every_number(farm: MailFarm) -> None:
    send(farm)
    farm.settle()

    def numbers() -> tuple[bytes, bytes]:
        with pop3(farm) as client, imap(farm) as other:
            (validity,) = other.response("UIDVALIDITY")[1]
            return client.uidl()[1][0], validity or b""

    before = numbers()
    assert before == numbers()
    farm.mailboxes.renumber("remote1")
    assert all(old != new for old, new in zip(before, numbers(), strict=True))


def test_a_mail_may_lie_in_the_junk_folder(farm: MailFarm) -> None:
    farm.mailboxes.put("remote1", MAIL, JUNK)
    with imap(farm) as client:
        assert any(b"\\Junk" in line for line in client.list()[1] if isinstance(line, bytes))
        assert client.select(JUNK)[1] == [b"1"]
    assert farm.mailboxes.contents("remote1", JUNK) == [MAIL]


def test_a_killed_test_process_leaves_nothing_behind(mail_farm: MailFarm) -> None:
    script = (
        "import time; from tests.servers.farm import MailFarm; print(MailFarm().folder, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    folder = process.stdout.readline().strip()
    assert folder != str(mail_farm.folder)
    assert len(groups_of(folder)) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    wait_until(lambda: not Path(folder).exists(), "the guardian has removed the folder")
    assert groups_of(folder) == set()

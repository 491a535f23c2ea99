"""Moving by IMAP, at servers that differ in what they offer, how they name folders and what they refuse."""

from __future__ import annotations

import pytest
from fake_imap import FakeImap, fetcher, mail
from fake_mail_servers import HangUp, Talk

from replicator.errors import MailboxTrouble
from replicator.transport.imap_folders import full_names, own_namespace

PLAIN = "IMAP4rev1 AUTH=PLAIN UIDPLUS"
MOVES = f"{PLAIN} MOVE NAMESPACE"


def three(capabilities: str = MOVES) -> FakeImap:
    return FakeImap({1: mail(1), 2: mail(2), 3: mail(3)}, capabilities=capabilities)


@pytest.mark.parametrize("capabilities", [MOVES, PLAIN, "IMAP4rev1 AUTH=PLAIN"])
def test_with_move_and_without(capabilities: str) -> None:
    fake = three(capabilities)
    with fetcher(fake) as imap:
        ids = [item.id for item in imap.fetch()]
        assert imap.move([ids[0], ids[2]], "Unrecognised") == {}
    assert [each for each, _ in fake.moved] == [mail(1), mail(3)]
    assert list(fake.mails) == [2]
    verbs = [line.split()[1] for line in fake.heard if line.startswith("UID ")]
    assert ("MOVE" in verbs, "COPY" in verbs) == (capabilities == MOVES, capabilities != MOVES)


@pytest.mark.parametrize(
    ("folders", "namespace", "told", "expected"),
    [
        (('() "/" INBOX',), '(("" "/")) NIL NIL', True, '"Other/Mail"'),
        (('() "." INBOX',), '(("" ".")) NIL NIL', True, '"Other.Mail"'),
        (('() "." INBOX',), '(("INBOX." ".")) NIL (("shared." "."))', True, '"INBOX.Other.Mail"'),
        (('() "." INBOX', '() "." INBOX.Sent'), "", False, '"INBOX.Other.Mail"'),
        (('() "." INBOX', '() "." Sent'), "", False, '"Other.Mail"'),
        (("() NIL INBOX",), "NIL NIL NIL", True, '"Other-Mail"'),
    ],
)
def test_the_folder_is_made_by_the_name_that_the_server_wants(
    folders: tuple[str, ...], namespace: str, told: bool, expected: str
) -> None:
    fake = three(MOVES if told else f"{PLAIN} MOVE")
    fake.folders, fake.namespace = folders, namespace
    with fetcher(fake) as imap:
        ids = [item.id for item in imap.fetch()]
        assert imap.move(ids[:1], "Other/Mail") == {}
        assert imap.move(ids[1:2], "Other/Mail") == {}
    assert fake.moved == [(mail(1), expected), (mail(2), expected)]
    assert [line for line in fake.heard if line.startswith("CREATE")] == [f"CREATE {expected}"]
    assert f"SUBSCRIBE {expected}" in fake.heard


def test_a_server_that_has_folders_only_below_the_inbox_and_does_not_say_so() -> None:
    fake = three(f"{PLAIN} MOVE")
    fake.folders, fake.creates = ('() "." INBOX',), "INBOX."
    with fetcher(fake) as imap:
        assert imap.move([item.id for item in imap.fetch()], "Unrecognised") == {}
    assert {folder for _, folder in fake.moved} == {'"INBOX.Unrecognised"'}


def test_a_folder_that_can_not_be_made_leaves_all_mails_where_they_are() -> None:
    fake = three()
    fake.creates = "nowhere"
    with fetcher(fake) as imap:
        ids = [item.id for item in imap.fetch()]
        refused = imap.move(ids, "Unrecognised")
    assert list(refused) == ids
    assert "name another one with 'replicator account set --unrecognised-folder'" in str(refused[ids[0]])
    assert len(fake.mails) == 3


@pytest.mark.parametrize("capabilities", [MOVES, PLAIN])
def test_a_mail_that_can_not_be_moved_holds_up_no_other(capabilities: str) -> None:
    fake = three(capabilities)
    fake.unmovable = {2}
    with fetcher(fake) as imap:
        ids = [item.id for item in imap.fetch()]
        refused = imap.move(ids, "Unrecognised")
        assert list(refused) == [ids[1]]
        assert [item.raw for item in imap.fetch()] == [mail(2)]
    assert [each for each, _ in fake.moved] == [mail(1), mail(3)]


@pytest.mark.parametrize("capabilities", [MOVES, PLAIN])
def test_a_connection_that_breaks_is_opened_again_and_nothing_is_lost(capabilities: str) -> None:
    fake, broken = three(capabilities), []

    def break_once(talk: Talk, tag: str, line: str) -> bool:
        if ("MOVE" in line or "STORE" in line) and not broken:
            broken.append(line)
            raise HangUp
        return False

    fake.before = break_once
    with fetcher(fake) as imap:
        assert imap.move([item.id for item in imap.fetch()], "Unrecognised") == {}
    assert fake.mails == {}
    assert {each for each, _ in fake.moved} == {mail(1), mail(2), mail(3)}
    assert fake.connections == 2


def test_one_that_goes_on_breaking_is_an_error_and_the_mails_stay() -> None:
    fake = three()

    def hang_up(talk: Talk, tag: str, line: str) -> bool:
        if "MOVE" in line:
            raise HangUp
        return False

    fake.before = hang_up
    with fetcher(fake) as imap:
        ids = [item.id for item in imap.fetch()]
        with pytest.raises(MailboxTrouble):
            imap.move(ids, "Unrecognised")
    assert len(fake.mails) == 3


def test_what_was_numbered_anew_is_not_moved() -> None:
    """Another mail may bear the number now."""
    fake = three()
    with fetcher(fake) as imap:
        ids = [item.id for item in imap.fetch()]
        fake.validity += 1
        imap._drop()
        assert imap.move(ids, "Unrecognised") == {}
    assert (fake.moved, len(fake.mails)) == ([], 3)


def test_what_lies_in_the_folder_for_junk_stays_there() -> None:
    fake = FakeImap({1: mail(1)}, capabilities=MOVES)
    fake.folders = ('() "/" INBOX', '(\\Junk) "/" Spam')
    with fetcher(fake) as imap:
        found = list(imap.fetch())
        assert [item.junk for item in found] == [False, True]
        assert imap.move([item.id for item in found if item.junk], "Unrecognised") == {}
    assert fake.moved == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'(("" "/")) NIL NIL', ("", "/")),
        (b'(("INBOX." ".")("#mh/" "/")) (("~" "/")) NIL', ("INBOX.", ".")),
        (b'(("a\\\\b" "\\\\")) NIL NIL', ("a\\b", "\\")),
        (b'(("x" NIL)) NIL NIL', None),
        (b"NIL NIL NIL", None),
        (b"", None),
    ],
)
def test_what_a_server_tells_of_its_names(answer: bytes, expected: tuple[str, str] | None) -> None:
    assert own_namespace(answer) == expected


def test_a_folder_that_is_there_is_used_by_its_name() -> None:
    there = [("INBOX", ".", ()), ("INBOX.Unrecognised", ".", ()), ("closed", ".", ("\\noselect",))]
    assert full_names("Unrecognised", there, ("INBOX.", "."))[0] == "INBOX.Unrecognised"
    assert full_names("INBOX/Unrecognised", there, ("INBOX.", "."))[0] == "INBOX.Unrecognised"
    assert full_names("closed", there, ("", "."))[0] is None

"""replicator.toml: read back as written, each mistake one sentence with file and key, no secret anywhere."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.config import Environment, make, parse
from replicator.config_text import render, schema_text
from replicator.config_values import checked_address, checked_folder, checked_name
from replicator.errors import ConfigurationError
from replicator.resources import schemas_folder

SCHEMA = schemas_folder() / "configuration.schema.json"
ACCOUNT = {"address": "zentrale@example.com", "mailbox": "folder:/srv/mail"}
HOST = {"role": "host", "name": "Zentrale", "database": "sqlite:////srv/app.db", "SERVER": ACCOUNT}
STATION = {"role": "station", "name": "Köln", "database": "sqlite:///C:/app.db", "REMOTE": ACCOUNT}


def changed(section: str | None = None, **values: Any) -> dict[str, Any]:
    """The host's configuration with some values changed."""
    if section is None:
        return {**HOST, **values}
    return {**HOST, section: {**HOST.get(section, {}), **values}}  # type: ignore[dict-item]


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make(content)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("content", [HOST, STATION])
def test_what_is_rendered_is_read_back(content: dict[str, Any]) -> None:
    configuration = make(content)
    text = render(configuration)
    assert parse(text, "replicator.toml") == configuration
    assert configuration.account.address == "zentrale@example.com"
    section = "SERVER" if content is HOST else "REMOTE"
    assert f"\n[{section}]\n" in text
    assert "# window_bytes = 20000000\n" in text, "defaults stand there as comments"
    assert max(map(len, text.splitlines())) <= 120


@given(
    title=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=50),
    path=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    minutes=st.integers(1, 1440),
)
def test_any_value_survives_the_file(title: str, path: str, minutes: int) -> None:
    content = {**changed("SERVER", title=title, mailbox=f"folder:{path}"), "run": {"probe_minutes": minutes}}
    configuration = make(content)
    assert parse(render(configuration), "replicator.toml") == configuration


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (changed(databse="x"), "the configuration: the key 'databse' is unknown; did you mean 'database'?"),
        (changed("run", probe_minute=1), "the key 'run.probe_minute' is unknown; did you mean 'probe_minutes'?"),
        (changed("limits", xyzzy=1), "the key 'limits.xyzzy' is unknown; take it out"),
        ({"role": "host"}, "the key 'name' is missing; add it"),
        ({"role": "host", "nam": "x"}, "the key 'nam' is unknown; did you mean 'name'?"),
        (changed(role="hub"), "the configuration, role: input should be 'host' or 'station'"),
        (changed(name="a/b"), "the configuration, name: a name has 1 to 64 letters"),
        (changed(database="app.db"), "the configuration, database: not a URL that begins with sqlite:"),
        (changed(database="sqlite:app.db"), "the configuration, database: not a valid URL; it begins with sqlite://"),
        (changed("SERVER", address="A <a@b>"), "the configuration, SERVER.address: not an e-mail address"),
        (changed("SERVER", mailbox="http://x"), "SERVER.mailbox: not a URL that begins with folder:, pop3:"),
        (changed("SERVER", mailbox="imaps://x"), "SERVER: the key 'send' is missing"),
        (changed("SERVER", enabled="no"), "SERVER.enabled: input should be a valid boolean"),
        (changed("run", probe_minutes=0), "run.probe_minutes: input should be greater than or equal to 1"),
        (changed("run", probe_minutes=True), "run.probe_minutes: input should be a valid integer"),
        (changed("limits", part_bytes=9_000_000), "limits: mail_bytes must be at least one and a half"),
        (changed("limits", batch_bytes=30_000_000), "limits: window_bytes must not be less than batch_bytes"),
        (changed(REMOTE=ACCOUNT), "the section [REMOTE] does not belong to a host; take it out"),
        ({**STATION, "role": "host", "REMOTE": None}, "the section [SERVER] is missing"),
    ],
)
def test_each_mistake_has_its_sentence(content: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(content)


@pytest.mark.parametrize(
    "url",
    [
        "imaps://max:hemlig@example.com",
        "imaps://max@example.com:hemlig@mail.example.com",
        "pop3s://max:he/mlig@example.com",
        "imaps://max:hem?lig@example.com/INBOX",
        "imaps://max:hemlig#1@example.com",
        "imaps://max@example.com/?password=hemlig",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_quoted(url: str) -> None:
    for content in (
        changed("SERVER", mailbox=url, send="smtps://x"),
        changed("SERVER", send=url.replace("imaps", "smtps").replace("pop3s", "smtp")),
        changed(database=url.replace("imaps", "postgresql").replace("pop3s", "postgresql")),
    ):
        sentence = refusal(content)
        assert "a URL must not hold a password" in sentence
        assert "mlig" not in sentence
        assert "hem" not in sentence


@pytest.mark.parametrize(
    "url", ["imaps://max@mail.example.com:993/INBOX", "pop3s://max%40example.com@mail.example.com", "imap://[::1]:143"]
)
def test_urls_without_a_password_pass(url: str) -> None:
    assert make(changed("SERVER", mailbox=url, send="smtps://max@mail.example.com")).account.mailbox == url


def test_sqlite_paths_may_hold_any_character() -> None:
    for path in ("sqlite:////srv/a:b@c/app.db", "sqlite:///C:\\Users\\max@home\\app.db"):
        assert make(changed(database=path)).database == path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("role = ", "/home/replicator.toml is not valid TOML: "),
        ("format = 2\nrole = 'new'", "/home/replicator.toml was written by a newer version of the program; update"),
        ("role = 'host'\n", "/home/replicator.toml: the key 'name' is missing; add it"),
    ],
)
def test_a_file_is_named_in_its_sentences(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "/home/replicator.toml")
    assert str(caught.value).startswith(sentence)


def test_names_are_composed_and_addresses_plain() -> None:
    assert checked_name("Ko\u0308ln") == "Köln"
    for name in ("", ".", "..", "-x", "a b", "a/b", "a\n", "x" * 65, "a\\b"):
        with pytest.raises(ValueError, match="a name has"):
            checked_name(name)
    assert checked_address("köln.1+x@büro.example") == "köln.1+x@büro.example"
    for address in ("", "a", "@b", "a@", ".a@b", "a@b@c", "../a@b", "a b@c", "a@b\n", "<a@b>", "a@.b", "a/b@c"):
        with pytest.raises(ValueError, match="not an e-mail address"):
            checked_address(address)


def test_environment_is_read_and_its_password_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATOR_HOME", "/srv/node")
    monkeypatch.setenv("REPLICATOR_PASSWORD", "hemlig")
    environment = Environment()
    assert environment.home == Path("/srv/node")
    assert environment.password is not None
    assert environment.password.get_secret_value() == "hemlig"
    assert "hemlig" not in f"{environment} {environment!r}"


def test_schema_matches_the_model_and_the_files_that_we_write() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), (
        "make it anew: python -c 'from replicator.config_text import schema_text; print(schema_text(), end=\"\")' "
        "> schemas/configuration.schema.json"
    )
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for content in (HOST, STATION):
        jsonschema.validate(tomllib.loads(render(make(content))), schema)
    for wrong in (changed(databse="x"), changed("run", probe_minutes=0), {"role": "host"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("name", ["Unrecognised", "INBOX/Unrecognised", "Fremde Post/2026", "a", "K\u00f6ln-Ost_1"])
def test_names_of_folders(name: str) -> None:
    assert checked_folder(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "../a",
            ".hidden",
            "a.b",
            "a\\b",
            'a"b',
            "a*",
            "a%",
            "a ",
            " a",
            "a\n",
        ),
        *("INBOX", "inbox", "new", "New/x", "tmp", "cur/x", "a" * 101, "a\0"),
    ],
)
def test_what_is_no_name_of_a_folder(name: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        checked_folder(name)

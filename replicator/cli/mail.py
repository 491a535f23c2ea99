"""`mail`: what a file of mail holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, human_size, print_json, print_record
from replicator.cli.formats import position_text, say
from replicator.cli.session import session_of
from replicator.operations import mail_inspection
from replicator.operations.mail_inspection import EnvelopeReport, MailReport
from replicator.operations.opening import open_view
from replicator.protocol.describe import plain
from replicator.protocol.messages import Header, Manifest

app = typer.Typer(help="Mails as files.", no_args_is_help=True)


@app.callback()
def mail() -> None:
    """Mails as files."""


@app.command("show")
def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="A mail, or the name of one set aside.")],
    as_json: AsJson = False,
) -> None:
    """Show what a mail holds, as far as this node can know."""
    session = session_of(context)
    home = session.node_home()
    with open_view(home, session.runtime) as view:
        report = mail_inspection.show_mail(view, file, home.files)
    if as_json:
        print_json(_plain(report))
    else:
        _print(report)


def _plain(report: MailReport) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "size": report.size,
        "head": report.head,
        "envelopes": [plain(envelope) for envelope in report.envelopes],
        "foreign": report.foreign,
    }


def _print(report: MailReport) -> None:
    print_record({"file": report.path, **report.head, "size": human_size(report.size)}, as_json=False)
    if report.foreign is not None:
        say(f"Nothing of the replicator's: {report.foreign}.")
    for envelope in report.envelopes:
        print()
        print_record(_envelope(envelope), as_json=False)


def _envelope(envelope: EnvelopeReport) -> dict[str, Any]:
    found = {
        "envelope": human_size(envelope.size) + (f", format {envelope.version}" if envelope.version else ""),
        "sealed by": _key(envelope.sender_key, envelope.sender),
        "sealed for": _key(envelope.receiver_key, envelope.receiver),
        "not opened" if envelope.header is None else "note": envelope.reason,
    }
    if envelope.header is not None:
        found |= _header(envelope.header)
    if envelope.manifest is not None:
        found |= _manifest(envelope.manifest)
    return {key: value for key, value in found.items() if value is not None}


def _key(key: str | None, owner: str | None) -> str | None:
    return None if key is None else f"{key} ({owner or 'not known here'})"


def _header(header: Header) -> dict[str, Any]:
    acknowledged, part = header.acknowledgement, header.part
    missing = f", {len(acknowledged.missing)} batches missing" if acknowledged.missing else ""
    return {
        "from, to": f"{header.sender} to {header.receiver}, {header.direction}",
        "acknowledges": f"batch {acknowledged.n} of epoch {position_text(acknowledged.epoch)}, "
        f"seen up to {acknowledged.high}{missing}",
        "believes acknowledged": f"batch {header.echo.n} of epoch {position_text(header.echo.epoch)}",
        "asks for an answer": f"number {header.probe}" if header.probe else None,
        "new key": header.new_key,
        "notice": header.notice,
        "carries": f"from byte {part.offset} of {part.total} of batch {part.n}, epoch {position_text(part.epoch)}"
        if part
        else "no batch",
    }


def _manifest(manifest: Manifest) -> dict[str, Any]:
    rows = sum(entry.rows for entry in manifest.segments)
    return {
        "batch": f"{manifest.n}, covers up to {position_text(manifest.high)}",
        "opens the epoch with": manifest.opener,
        "segments": f"{len(manifest.segments)} with {rows} rows, "
        f"{human_size(sum(entry.raw_size for entry in manifest.segments))} before compression",
    }


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="mail")

"""The story of the day, a scene at a time, on nodes that really run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path

from replicator.demo import numbering, proof, upgrade, work
from replicator.demo.company import LATER_TABLES, NAME, TABLES
from replicator.demo.numbering import Drawn
from replicator.demo.places import AREAS, HEAD_OFFICE, KOELN, LAPTOP, NOT_AT, Company, Place, double, lose
from replicator.demo.post import Post
from replicator.demo.proof import TableProof
from replicator.demo.telling import NOTHING, Cell, Grid, Heading, Scene, Tone, Toned, number
from replicator.demo.work import Worked
from replicator.engine.session import Summary
from replicator.operations import conflict_listing
from replicator.operations.conflict_listing import ConflictDetail
from replicator.operations.opening import open_view
from replicator.runtime import Runtime

KOELN_HAS_VERSION_2 = time(7, 50)

DIGITS = 8
"""Of a digest that are shown; all of them are compared."""

_RUN_HEADINGS = (
    Heading("time"),
    Heading("at"),
    Heading("mails\nin", right=True),
    Heading("rows\napplied", right=True),
    Heading("own\nchanges", right=True),
    Heading("mails\nout", right=True),
    Heading("sealed\nbytes", right=True),
    Heading(""),
)


@dataclass
class Story:
    """Tell it once, with `scenes`; afterwards `holds` is the verdict."""

    company: Company
    seed: int
    post: Post = field(init=False)
    before: dict[str, int] = field(default_factory=dict)
    """Rows in the morning, by table."""
    worked: Worked = field(default_factory=Worked)
    drawn: list[Drawn] = field(default_factory=list)
    """Numbers, by table and place."""
    holds: bool = False

    def __post_init__(self) -> None:
        self.post = Post(self.company)

    @classmethod
    def make(cls, folder: Path, runtime: Runtime, seed: int) -> Story:
        """In an empty folder."""
        return cls(Company.at(folder, runtime, seed), seed)

    def scenes(self) -> Iterator[Scene]:
        yield self._set_up()
        yield self._day()
        yield self._noon()
        yield self._evening()
        yield self._morning()
        yield self._conflicts()
        yield self._numbers()
        yield self._proof()

    # --- scenes ---------------------------------------------------------------------------------------------------

    def _set_up(self) -> Scene:
        self.company.set_up(self.seed)
        initial = [self._run(place)[1] for place in self.company.places]
        mails = self.post.bytes
        for place in self.company.places:
            self._run(place)
        standing = proof.contents(self.company.head_office)
        self.before = {table: content.rows if content else 0 for table, content in standing.items()}
        self.before |= dict.fromkeys(LATER_TABLES, 0)
        grid = Grid((Heading("table"), Heading("rows", right=True), Heading("area"), Heading(KOELN), Heading(LAPTOP)))
        areas = {table: area for area, tables in AREAS.items() for table in tables}
        for table in TABLES:
            laptop: Cell = "both ways"
            if table in NOT_AT[LAPTOP]:
                laptop = Toned("nothing of it", Tone.QUIET)
            elif table == "articles":
                laptop = "all of it; only new ones come back"
            grid.rows.append((table, f"{self.before[table]:,}", areas[table], "both ways", laptop))
        return Scene(
            str(self.company.clock),
            "Before the day",
            (
                f"{NAME} has a head office in Hamburg, a branch in Köln and a laptop on the road: three SQLite "
                f"databases, three mailboxes (folders here), one invoicing application that knows of none of this. "
                f"The head office said what its stations get, and that customers and invoices get their numbers from "
                f"blocks that it grants:",
                grid,
                f"Two invitations made the stations; their empty databases came by mail: "
                f"{sum(each.applied.rows for each in initial):,} rows in {mails / 1000:,.0f} kB.",
            ),
        )

    def _day(self) -> Scene:
        self.company.clock.set(time(8, 0))
        self.worked = work.work_a_day(self.company)
        places = [place.name for place in self.company.places]
        grid = Grid((Heading("done by the application"), *(Heading(name, right=True) for name in places)))
        for what, _, times in work.DEEDS:
            grid.rows.append((what, *(number(times.get(name, 0)) for name in places)))
        grid.rows.append(("transactions in all", *(number(self.worked.transactions[name]) for name in places)))
        return Scene(
            "08:00",
            "The day: everybody works, nobody is connected",
            (
                grid,
                f"Twice they get into each other's way. Customer {work.SHARED_CUSTOMER} gets a new discount and note "
                f"in Hamburg, and a new phone number and note in Köln. And Köln and the laptop each enter a new "
                f"customer {work.SHARED_NAME}, although names are unique.",
            ),
        )

    def _noon(self) -> Scene:
        self.company.clock.set(time(12, 0))
        upgrade.upgrade_head_office(self.company)
        work.work(self.company, self.worked, work.VERSION_2)
        return upgrade.scene()

    def _evening(self) -> Scene:
        office, koeln, laptop = self.company.places
        grid = Grid(_RUN_HEADINGS)
        self._line(grid, koeln, time(18, 0))
        example = self.post.example(office)
        standing = len(office.mails())
        self._line(grid, laptop, time(18, 5), Toned("lost on its way", Tone.BAD))
        for mail in office.mails()[standing:]:
            lose(mail)
        self._line(grid, office, time(18, 30), Toned("what goes to Köln arrives twice", Tone.BAD))
        for mail in koeln.mails():
            double(mail)
        self._line(grid, koeln, time(18, 40), "takes one, drops the other")
        self._line(grid, laptop, time(18, 45), "has what the others did")
        letter = Grid((Heading(""), Heading("")), list(example))
        seen = "What a mail provider sees of the mail of 18:00:"
        return Scene("18:00", "The evening: one run at each place", (grid, self._missing(), seen, letter))

    def _missing(self) -> str:
        """What the head office lacks because of the lost mail, found by looking."""
        office, laptop = (proof.contents(self.company.places[index]) for index in (0, 2))
        more = {
            table: there.rows - here.rows for table in TABLES if (here := office[table]) and (there := laptop[table])
        }
        lacking = ", ".join(f"{count} {table}" for table, count in more.items() if count > 0)
        return (
            f"The mail of 18:05 is gone, and with it Hamburg lacks {lacking}. Nothing is lost: the laptop keeps what "
            f"nobody has acknowledged."
        )

    def _morning(self) -> Scene:
        office, koeln, laptop = self.company.places
        grid = Grid(_RUN_HEADINGS)
        remarks: Sequence[tuple[Place, Cell]] = (
            (laptop, "no answer overnight: it asks"),
            (office, "answers: nothing of it came"),
            (laptop, "sends the same mail again"),
            (office, "decides, and tells everybody"),
            (koeln, "has version 2 by now, and complaints"),
            (laptop, "learns what was decided"),
            (office, "takes Köln's complaints"),
            (koeln, "learns that they were taken"),
            (laptop, "has them"),
            (office, "knows that all have all"),
        )
        for minute, (place, remark) in zip(itertools.count(30, 5), remarks, strict=False):
            at = time(7 + minute // 60, minute % 60)
            if at == KOELN_HAS_VERSION_2:
                work.work(self.company, self.worked, work.NEXT_DAY)
            self._line(grid, place, at, remark, next_day=True)
        self.company.clock.set(time(8, 30), next_day=True)
        runs = [self._run(place)[1] for place in self.company.places]
        grid.rows.append(("08:30", "all three", *_figures(runs), Toned("nothing new: nothing sent", Tone.QUIET)))
        return Scene("07:30", "The next morning: the loss is noticed, and made good", (grid,))

    def _conflicts(self) -> Scene:
        office = self.company.head_office
        with open_view(office.home, office.runtime) as view:
            found = [conflict_listing.show_conflict(view, line.id) for line in conflict_listing.list_conflicts(view)]
        headings = tuple(map(Heading, ("conflict", "with", "column", office.name, "the station's", "stands now")))
        grid = Grid(headings)
        for conflict in found:
            grid.rows.extend(_conflict_rows(conflict))
        told = (
            "The head office is the judge: what it has stands, and everybody gets that. What lost stays on record, "
            "with both rows, for a person to look at (replicator conflict list, conflict show):"
        )
        return Scene("", "Conflicts: decided once, the same everywhere, on record", (told, grid))

    def _numbers(self) -> Scene:
        self.drawn = numbering.drawn(self.company, self.before)
        return numbering.scene(self.drawn)

    def _proof(self) -> Scene:
        tables = proof.prove(self.company.places, self.before, self.worked.new, self.worked.deleted)
        texts, leaked = self.post.leaks()
        self.holds = all(table.holds for table in tables) and numbering.holds(self.drawn) and not leaked
        places = [place.name for place in self.company.places]
        grid = Grid(
            (
                Heading("table"),
                Heading("morning", right=True),
                Heading("new", right=True),
                Heading("deleted", right=True),
                *(Heading(f"{name}\nrows  digest", right=True) for name in places),
                Heading(""),
            )
        )
        for table in tables:
            grid.rows.append(_proof_row(table, places))
        return Scene(
            "",
            "Proof: the three files, read with plain SQL",
            (
                grid,
                _verdict(tables),
                Toned(
                    f"{len(self.post.mails)} mails of together {self.post.bytes / 1000:,.0f} kB were on their way; of "
                    f"{texts:,} names, streets and phone numbers {leaked or 'none'} can be read in them.",
                    Tone.BAD if leaked else Tone.GOOD,
                ),
            ),
        )

    # --- runs -----------------------------------------------------------------------------------------------------

    def _run(self, place: Place) -> tuple[str, Summary]:
        when = str(self.company.clock)
        summary = place.run()
        self.post.look()
        return when, summary

    def _line(self, grid: Grid, place: Place, at: time, remark: Cell = "", *, next_day: bool = False) -> None:
        self.company.clock.set(at, next_day=next_day)
        when, done = self._run(place)
        grid.rows.append((when, place.name, *_figures([done]), remark))


def _figures(runs: Sequence[Summary]) -> tuple[Cell, ...]:
    """The columns of a line of runs, between its place and its remark."""
    return (
        number(sum(done.received.mails for done in runs)),
        number(sum(done.applied.rows for done in runs)),
        number(sum(done.collected for done in runs)),
        number(sum(done.sent.mails for done in runs)),
        number(sum(done.sent.bytes for done in runs)),
    )


def _conflict_rows(conflict: ConflictDetail) -> Iterator[tuple[Cell, ...]]:
    """A line for each column in which the two differ, keys and numbers aside."""
    line = conflict.line
    host, station, result = conflict.host or {}, conflict.station or {}, conflict.result or {}
    names = ["name"] if line.kind == "unique-renamed" else [name for name in host if host[name] != station.get(name)]
    for index, name in enumerate(names):
        values = [NOTHING if side.get(name) is None else str(side[name]) for side in (host, station, result)]
        yield (*((line.kind.replace("-", " "), line.station) if index == 0 else ("", "")), name, *values)


def _proof_row(table: TableProof, places: Sequence[str]) -> tuple[Cell, ...]:
    cells: list[Cell] = [table.table, f"{table.before:,}", number(table.new), number(table.deleted)]
    for name in places:
        content = table.contents[name]
        if table.table in NOT_AT.get(name, ()):
            cells.append(Toned("by rule none" if not content or not content.rows else f"{content.rows:,}", Tone.QUIET))
        elif content is None:
            cells.append(Toned("missing", Tone.BAD))
        else:
            cells.append(f"{content.rows:,}  {content.digest[:DIGITS]}")
    cells.append(Toned("equal", Tone.GOOD) if table.holds else Toned("DIFFERENT", Tone.BAD))
    return tuple(cells)


def _verdict(tables: Sequence[TableProof]) -> Toned:
    unequal = [table.table for table in tables if not table.is_equal]
    if unequal:
        return Toned(f"NOT equal: {', '.join(unequal)}. This is a fault of ours; please report it.", Tone.BAD)
    wrong = [table.table for table in tables if not table.adds_up]
    if wrong:
        return Toned(f"Equal, but not what was written: {', '.join(wrong)}. Please report this fault.", Tone.BAD)
    rows = sum(content.rows for table in tables if (content := table.contents[HEAD_OFFICE]))
    return Toned(
        f"Equal: {rows:,} rows in {len(tables)} tables. In each, the rows of the morning and those that came, less "
        f"those that went, are the rows that stand now.",
        Tone.GOOD,
    )

"""Progress bars of a run, on a terminal only; they go when it is done, and the summary stays."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from replicator.cli.console import human_size, one_line


class _Amount(ProgressColumn):
    """'12,000 of 100,000 rows', '3.1 of 20 MB, 5,000 rows', '12 of 500 mails, 4.1 MB'."""

    def render(self, task: Task) -> Text:
        done, total, rows = int(task.completed), int(task.total or 0), task.fields.get("rows")
        if task.fields["unit"] in ("rows", "groups"):
            return Text(f"{done:,} of {total:,} {task.fields['unit']}")
        if task.fields["unit"] == "mails":
            return Text(f"{done:,} of {total:,} mails, {human_size(task.fields['size'])}")
        text = f"{human_size(done)} of {human_size(total)}"
        return Text(text if rows is None else f"{text}, {rows:,} rows")


class Bars:
    """The engine's `Progress`, a bar for each thing that goes on with a peer. Within `with` the bars are on screen."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            _Amount(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()

    def sent(self, peer: str, done: int, total: int, rows: int) -> None:
        self._show("to", peer, done, total, "bytes", rows)

    def fetched(self, mailbox: str, done: int, total: int, size: int) -> None:
        self._show(f"fetching from {mailbox}" if mailbox else "fetching", "", done, total, "mails", size=size)

    def received(self, peer: str, n: int, done: int, total: int) -> None:
        self._show(f"batch {n} from", peer, done, total, "bytes")

    def prepared(self, peer: str, done: int, total: int) -> None:
        self._show("initial load for", peer, done, total, "rows")

    def applied(self, peer: str, done: int, total: int) -> None:
        self._show("applying from", peer, done, total, "rows")

    def kept(self, done: int, total: int) -> None:
        self._show("keeping a base", "", done, total, "rows")

    def read(self, done: int, total: int) -> None:
        self._show("reading the journal", "", max(0, min(done, total)), total, "groups")

    def written(self, done: int, total: int) -> None:
        self._show("writing", "", done, total, "rows")

    def _show(
        self, what: str, peer: str, done: int, total: int, unit: str, rows: int | None = None, size: int = 0
    ) -> None:
        if self._bars.disable:
            return
        task = self._tasks.get((what, peer))
        if task is not None and done < self._bars.tasks[self._bars.task_ids.index(task)].completed:
            # The next batch: its time left has nothing to do with the last one's.
            self._remove(what, peer)
            task = None
        amount: dict[str, Any] = {"completed": done, "total": total, "rows": rows, "size": size}
        if task is None:
            self._remove_done(what)
            task = self._bars.add_task(one_line(f"{what} {peer}".strip()), unit=unit, **amount)
            self._tasks[what, peer] = task
        self._bars.update(task, **amount)
        if done >= total and unit == "bytes" and rows is None:
            self._remove(what, peer)

    def _remove_done(self, what: str) -> None:
        """Hundreds of batches may come, and go to hundreds of stations: all their bars would fill the screen."""
        for task in self._bars.tasks:
            key = next(key for key, identity in self._tasks.items() if identity == task.id)
            if key[0] == what and task.finished:
                self._remove(*key)

    def _remove(self, what: str, peer: str) -> None:
        self._bars.remove_task(self._tasks.pop((what, peer)))

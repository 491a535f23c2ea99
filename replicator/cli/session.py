"""What every command gets: where the node lives, and how much to say. Kept as the `obj` of typer's context."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import typer
from platformdirs import user_log_path

from replicator import logs
from replicator.config import Environment
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home, default_home


@dataclass(slots=True)
class Session:
    """One call of the program. Nothing on disk is touched before a command asks for it."""

    home_option: Path | None = None
    verbose: bool = False
    environment: Environment = field(default_factory=Environment)
    runtime: Runtime = field(default_factory=Runtime)
    log_file: Path | None = None

    def home(self) -> Home:
        """The home folder by --home, REPLICATOR_HOME or the platform's custom; there may be no node in it yet."""
        path = self.home_option or self.environment.home or default_home()
        return Home(path.expanduser(), Files(self.runtime))

    def node_home(self) -> Home:
        """The home folder of a node that is set up; from here on there is a log. Raises ConfigurationError if none."""
        home = self.home()
        home.require()
        self.start_log(home)
        return home

    def start_log(self, home: Home) -> None:
        """For `host-init` and `remote-init`, once they have made the folder."""
        logs.start(home.log_folder, verbose=self.verbose)
        self.log_file = logs.log_path(home.log_folder)

    def log_for_our_error(self) -> Path:
        """The log that takes the details of an unexpected error: the node's, or else one of the user's own."""
        if self.log_file is None:
            folder = user_log_path("replicator", appauthor=False)
            logs.start(folder, verbose=self.verbose)
            self.log_file = logs.log_path(folder)
        return self.log_file


def session_of(context: typer.Context) -> Session:
    """The session of a command."""
    session = context.find_object(Session)
    if session is None:  # pragma: no cover - the main callback made it
        raise LookupError("no session")
    return session

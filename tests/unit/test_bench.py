"""The benchmarks run, on sizes that say nothing: no figure is held to a limit here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice

import pytest

from bench import __main__ as command
from bench import data, memory, pgbench, sites, stages
from bench.measuring import Figure, Size, figure_of
from tests.servers.farm import MailFarm
from tests.servers.fixtures import leave_out, missing_mariadb, missing_postgresql

TINY = Size(
    repetitions=1,
    capture_rows=40,
    capture_transactions=6,
    changes=60,
    fanout_changes=20,
    fanout_stations=(1, 2),
    memory_rows=40,
    waiting_changes=40,
    mail_bytes=40,
    fetched_mails=3,
    server_transactions=4,
    logical_changes=40,
    pgbench_scale=1,
    pgbench_seconds=1,
    purged_groups=2_000,
    conflicts=20,
    audited_numbers=60,
)


def measured(*names: str) -> dict[str, Figure]:
    figures, _ = command.measure(list(names), TINY, lambda text: None)
    return {figure.name: figure for figure in figures}


def test_capture_is_measured_against_the_same_writes_without_triggers():
    figures = measured("capture")
    assert [figure.limit for figure in figures.values() if figure.limit] == [2.5, 3.5, 2.1]
    assert all(figure.ratio and figure.ratio > 0 for figure in figures.values())


def test_the_whole_way_is_measured_in_both_directions_with_its_stages():
    figures, spent = command.measure(["flow"], TINY, lambda text: None)
    assert {figure.limit for figure in figures} == {10, 16, 40, 55, 2000}
    assert len(spent) == 4
    timed = {stage for stages_of_run in spent.values() for stage in stages_of_run}
    assert {stage for _, stage in stages.STAGES} - timed <= {"load rows"}


def test_purging_is_measured_at_both_ends():
    figures = measured("purging")
    assert [figure.limit for figure in figures.values()] == [None, None, 500, None, 500]


def test_tables_with_keys_between_them_are_measured_and_held_to_nothing():
    figures = measured("keyed")
    assert len(figures) == 2
    assert all(figure.ratio and figure.met is None for figure in figures.values())


def test_a_further_station_is_measured():
    (figure,) = measured("fanout").values()
    assert figure.limit == 2


def test_fetching_is_measured_against_the_libraries_alone(mail_farm: MailFarm):
    figures = measured("fetching")
    assert [figure.limit for figure in figures.values()] == [3, 3]
    assert all(figure.ratio and figure.ratio > 0 for figure in figures.values())


def test_a_mail_is_measured_against_bare_base64():
    figures = measured("mails")
    assert [figure.limit for figure in figures.values()] == [2, 2]
    assert all(figure.ratio and figure.ratio > 0 for figure in figures.values())


def test_peak_memory_is_measured_in_processes_of_their_own():
    figures = measured("memory")
    assert len(figures) == 13
    assert all(10 < figure.ours < 1000 for figure in figures.values())


def test_an_application_is_timed_while_runs_go_on():
    figures = measured("waiting")
    assert len(figures) == 5
    assert {figure.limit for figure in figures.values()} == {500}
    assert all(figure.ours > 0 for figure in figures.values())


def test_an_audit_is_measured_with_its_memory():
    figures = measured("audit")
    assert [figure.limit for figure in figures.values()] == [10, 200] * 3
    assert all(figure.ours > 0 for figure in figures.values())


def test_equal_tables_are_compared():
    figures = measured("comparing")
    assert {figure.limit for figure in figures.values()} == {3, 20_000}
    assert all(figure.ours > 0 for figure in figures.values())


@pytest.fixture
def one_server_each(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For all subjects together: to start them takes longer than to measure so little."""
    leave_out("postgresql", missing_postgresql())
    leave_out("mariadb", missing_mariadb())
    start, running = sites._server, {}
    with ExitStack() as stack:

        def shared(kind: str, _settings: str) -> AbstractContextManager[sites.NewSite]:
            if kind not in running:
                settings = "wal_level = logical\n" if kind == sites.POSTGRESQL else ""
                running[kind] = stack.enter_context(start(kind, settings))
            return nullcontext(running[kind])

        monkeypatch.setattr(sites, "_server", shared)
        # The first load of 100,000 accounts.
        monkeypatch.setattr(pgbench, "TABLES", pgbench.TABLES[1:])
        yield


def test_conflicts_are_measured_against_the_same_runs_without(one_server_each: None):
    figures = measured("conflicts")
    assert [figure.limit for figure in figures.values()] == [3] * 12
    # Of so few changes an idle run may happen to take longer.
    assert all(figure.ratio for figure in figures.values())


def test_a_number_that_is_filled_in_is_measured_against_one_that_is_given(one_server_each: None):
    figures = measured("numbers")
    assert [figure.limit for figure in figures.values()] == [2, 2, None, None] * 3
    assert all(figure.ratio and figure.ratio > 0 for figure in figures.values())


def test_an_application_is_timed_while_its_table_is_added(one_server_each: None):
    figures = measured("adding")
    assert [figure.limit for figure in figures.values()] == [500, None] * 3
    assert all(figure.ours > 0 for figure in figures.values())


def test_a_replay_is_measured_against_an_initial_load(one_server_each: None):
    figures = measured("replaying")
    assert [figure.limit for figure in figures.values()] == [2] * 6
    assert all(figure.ratio and figure.ratio > 0 for figure in figures.values())


def test_servers_are_measured_against_the_same_work_done_bare(one_server_each: None):
    figures = measured("servers", "mixed", "logical", "pgbench")
    limits = [(figure.limit, figure.is_least) for figure in figures.values() if figure.limit]
    most = [limit for limit, is_least in limits if not is_least]
    assert most == [3, 3, 4, 1.15, 1.15, 1.15, 3.6, 6.5, 1.4, 1.5, 2, 8]
    assert [limit for limit, is_least in limits if is_least] == [0.72, 0.6]
    assert all(figure.ratio and figure.ratio > 0 for figure in figures.values())


def test_this_process_has_a_peak():
    assert memory.peak_of_this_process() > 10_000_000


def test_rows_are_the_same_for_the_same_seed():
    assert list(islice(data.customers(1), 20)) == list(islice(data.customers(1), 20))
    assert [row[0] for row in islice(data.order_items(1, 7), 3)] == [7, 8, 9]
    assert all(len(row) == len(data.CUSTOMER_COLUMNS) for row in islice(data.customers(2), 20))
    assert all(len(row) == len(data.ITEM_COLUMNS) for row in islice(data.order_items(2), 20))


def test_the_repetition_with_the_median_ratio_stands_for_all():
    figure = figure_of("x", [(9.0, 1.0), (4.0, 2.0), (3.0, 1.0)], 3, "s")
    assert (figure.ours, figure.baseline, figure.ratio, figure.met) == (3.0, 1.0, 3.0, True)


def test_an_amount_without_a_baseline_is_held_to_the_limit_itself():
    assert Figure("x", 41, None, 40, "B").met is False
    assert Figure("x", 41, None, None, "B").met is None


def test_a_limit_may_be_the_least_that_is_wanted():
    assert Figure("x", 8, 10, 0.7, "/s", is_least=True).met is True
    assert Figure("x", 6, 10, 0.7, "/s", is_least=True).met is False


def test_figures_are_shown_as_a_table_and_as_json(capsys):
    figures = [Figure("some figure", 5.0, 2.0, 2.5, "µs"), Figure("another", 41.0, None, 40, "B")]
    command.print_figures(figures)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    assert shown[1].split()[-2:] == ["2.5", "yes"]
    assert shown[2].split()[-1] == "NO"
    assert json.loads(json.dumps(command.as_plain(figures, {})))["figures"][0]["ratio"] == 2.5


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["speed"])
    assert "choose from capture" in capsys.readouterr().err

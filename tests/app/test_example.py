"""The picture of one episode: what it asks memory for, and a table that it never costs."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.evaluation.test_judge import field, twin
from tests.evaluation.test_judge import run as judged_field
from typer.testing import CliRunner

from tercel.app.cli import app
from tercel.app.commands import run as command
from tercel.app.job.example import RECORD_ROWS, book_example
from tercel.app.job.settings import RunSettings
from tercel.evaluation.episodes import Episodes, seeded_plan
from tercel.evaluation.task import Task
from tercel.execution import step as kernels
from tercel.execution.strategies import build
from tercel.market.flow.preset import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, settled_bank

WINDOWS = 1000
TASK = Task(decisions=6, horizon_s=60.0)
SETTINGS = RunSettings(market="csco-santa-fe", task=TASK)
RECORD_BYTES = RECORD_ROWS * sim.RECORD_WORDS * 8


@pytest.fixture(scope="module")
def source() -> Source:
    """A bank of three worlds, told a thousand times: as many as the windows of many recorded days."""
    bank = settled_bank(load("csco-santa-fe"), 3, settle_s=120.0)
    which = np.arange(WINDOWS) % 3
    return replace(bank, worlds_b=bank.worlds_b[which], worlds_k=bank.worlds_k[which])


def market_of(source: Source, n: int = WINDOWS) -> Any:
    return SimpleNamespace(judged=source, plan=seeded_plan(TASK, 200, 1, 0, 2 * n, worlds=n))


def test_room_is_kept_for_the_markets_that_run_and_not_for_every_window(source: Source) -> None:
    asked = [Episodes(source, TASK, 1, record_rows=rows, log_rows=4096) for rows in (0, RECORD_ROWS)]
    assert asked[1].states.nbytes - asked[0].states.nbytes == RECORD_BYTES
    assert asked[0]._worlds.nbytes == asked[1]._worlds.nbytes == WINDOWS * sim.GRID * 8


def test_a_picture_asks_for_a_record_or_two_whatever_the_number_of_windows(source: Source) -> None:
    book_example(SETTINGS, market_of(source), build("twap_passive"))  # what is compiled once is not counted
    tracemalloc.start()
    try:
        book_example(SETTINGS, market_of(source), build("twap_passive"), episode=1500)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert RECORD_BYTES < most < 3 * RECORD_BYTES + source.worlds_k.nbytes


@pytest.mark.parametrize("episode", [0, 4, 1999])
def test_the_picture_is_that_of_the_window_alone(source: Source, episode: int) -> None:
    market = market_of(source)
    world = int(market.plan.take(slice(episode, episode + 1)).rows[0, kernels.E_WORLD])
    one = replace(source, worlds_b=source.worlds_b[world : world + 1], worlds_k=source.worlds_k[world : world + 1])
    alone = market_of(one, 1)
    alone.plan.rows[:] = market.plan.rows[episode]
    alone.plan.rows[:, kernels.E_WORLD] = 0
    drawn, plain = (book_example(SETTINGS, m, build("twap_passive"), e) for m, e in ((market, episode), (alone, 0)))
    assert np.array_equal(drawn.lots, plain.lots)
    assert np.array_equal(drawn.fill_time_s, plain.fill_time_s)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose trainings and judgements are there; its report gets what the command hands it."""
    folder, told = tmp_path / "made", tmp_path / "told.json"
    folder.mkdir()
    SETTINGS.claim(folder, named=True)

    def write_report(path: Path, result: Any, costs: Any, **words: Any) -> None:
        told.write_text(json.dumps({"examples": len(words["book_examples"]), "facts": words["facts"]}))

    for name, stub in (
        ("build_market", lambda settings: SimpleNamespace(preset=None, facts={"tick": 0.01})),
        ("train", lambda settings, out: None),
        ("_judge", lambda settings, out: None),
        ("_result", lambda settings, market, out: judged_field(field(20), twin(20))),
        ("_curve", lambda out, learner, seed: ([], [])),
        ("entries", lambda settings, out: []),
        ("twins", lambda out: None),
        ("strategy_of", lambda one, market, out: build("twap_passive")),
        ("write_report", write_report),
    ):
        monkeypatch.setattr(command, name, stub)
    return folder


@pytest.mark.parametrize("words", [[], ["--json"]])
@pytest.mark.parametrize("error", [MemoryError("64 GiB"), ValueError("nothing to draw")])
def test_a_picture_that_fails_costs_nobody_the_table(
    finished: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], error: Exception
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("tercel.app.job.example.book_example", fails)
    done = CliRunner().invoke(app, ["run", "--resume", "--out", str(finished), *words])
    assert done.exit_code == 0, done.output
    assert "twap_take" in done.stdout
    assert f"not drawn for ppo: {type(error).__name__}, {error}" in done.stderr
    told = json.loads((finished.parent / "told.json").read_text())
    assert told["examples"] == 0
    assert told["facts"]["picture of ppo"].startswith("not drawn")
    assert told["facts"]["tick"] == 0.01


def test_the_table_is_out_before_the_report_is_written(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(command, "_report", fails)
    done = CliRunner().invoke(app, ["run", "--resume", "--out", str(finished)])
    assert done.exit_code != 0
    assert "twap_take" in done.stdout
    done = CliRunner().invoke(app, ["run", "--resume", "--out", str(finished), "--json"])
    assert "twap_take" not in done.stdout, "one object, and that says what failed"

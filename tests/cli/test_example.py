"""The picture of one episode: what it asks memory for."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tercel.execution import step as kernels
from tercel.execution.market import Market
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.lab.evaluation.example import RECORD_ROWS, book_example
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow.preset import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, settled_bank

WINDOWS = 1000
TASK = Task(decisions=6, horizon_s=60.0)
SETTINGS = Scenario(Market("csco-santa-fe"), task=TASK)
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
    asked = [
        Episodes(source, TASK, 1, record_rows=rows, log_rows=4096) for rows in (0, RECORD_ROWS)
    ]
    assert asked[1].states.nbytes - asked[0].states.nbytes == RECORD_BYTES
    assert asked[0]._worlds.nbytes == asked[1]._worlds.nbytes == WINDOWS * sim.GRID * 8


def test_a_picture_asks_for_a_record_or_two_whatever_the_number_of_windows(source: Source) -> None:
    book_example(
        SETTINGS, market_of(source), build("twap_passive")
    )  # what is compiled once is not counted
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
    one = replace(
        source,
        worlds_b=source.worlds_b[world : world + 1],
        worlds_k=source.worlds_k[world : world + 1],
    )
    alone = market_of(one, 1)
    alone.plan.rows[:] = market.plan.rows[episode]
    alone.plan.rows[:, kernels.E_WORLD] = 0
    drawn, plain = (
        book_example(SETTINGS, m, build("twap_passive"), e)
        for m, e in ((market, episode), (alone, 0))
    )
    assert np.array_equal(drawn.lots, plain.lots)
    assert np.array_equal(drawn.fill_time_s, plain.fill_time_s)

"""Sections of the page of a judged run."""

import numpy as np
from tests.lab.evaluation.test_judge import GRID, QTY, field, make, run, twin

from tercel.execution.task import Task
from tercel.lab.evaluation.example import (
    BookExample,
    composition,
    distribution,
    left_to_do,
    order_facts,
    timing,
)


def test_an_example_draws_itself() -> None:
    time = np.arange(6.0)
    lots = np.tile([40, 30, 0, -20, -50], (6, 1))
    example = BookExample(
        "ppo",
        1,
        time,
        np.arange(98, 103),
        lots,
        np.full(6, 99.0),
        np.full(6, 101.0),
        [1.0],
        [99],
        [7],
        [True],
        0.01,
    )
    assert example.figure.svg.startswith(("<svg", "<img"))


def test_what_it_cost_and_when_it_traded_have_a_row_and_a_picture_each() -> None:
    judged, costs = run(field(60), twin(60)), {entry.name: entry.runs for entry in field(60)}
    known = {name: row.known for name, row in judged.strategies.items()}
    section = composition(costs, known, "twap_take", ["ppo", "twap_take"])
    assert all(name in section.html for name in costs)
    assert len(section.figures) == 2
    assert "ppo" in section.figures[1].svg
    grid_s = np.arange(GRID) * 360.0
    assert len(timing(costs, twin(60), grid_s).figures) == 2
    assert len(timing(costs, None, grid_s).figures) == 1, "nothing moved where nothing answers"


def test_facts_are_told_in_words() -> None:
    told = order_facts(Task(share=None, quantity=500, side="buy").to_dict())
    assert told["order"] == "500 lots"
    assert not {"grid_points", "a_ns", "clock"} & set(told)


def test_left_to_do_falls_where_lots_were_filled() -> None:
    share = left_to_do(make(3, 0, forced=25))
    assert share[0].tolist() == [1.0, 1.0, 1.0, 0.25, 0.25]
    assert QTY == 100


def test_distribution_counts_wins_and_the_worst() -> None:
    cheap, dear = make(40, 0, seed=1), make(40, 60, seed=2)
    row = distribution("a", (dear,), (cheap,))
    assert row[0] == "a"
    assert row[1] <= row[2] <= row[3] <= row[4]
    assert row[5] == 0.0
    assert distribution("b", (cheap,), (dear,))[5] == 1.0
    same = (cheap,)
    assert distribution("c", same, same)[5] is None

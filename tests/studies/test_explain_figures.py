"""Figures of explanations and replications: drawn from little, even from nothing."""

import numpy as np

from replications.known_figures import frontier, hedges
from studies.explain.figures import dependences, episode, importances
from tercel.core.stats import Estimate


def test_an_episode_with_and_without_fills() -> None:
    nothing: tuple[list[float], ...] = ([], [], [], [])
    for fills in (nothing, ([70.0, 95.0], [101, 102], [5, 3], [True, False])):
        figure = episode(
            [0, 60], [100, 101], [102, 103], [8, 3], [0, 0], [0.0, 0.5], 1.5, fills, 1, "one", "e"
        )
        assert figure.svg.startswith("<svg")
        assert "1.50 bps paid" in figure.alt
    assert "8 lots in 2 fills, 5 of them resting" in figure.alt


def test_importances_tell_what_was_not_measured() -> None:
    moved = {"a": Estimate(0.2, 0.1, 0.3), "b": Estimate(0.0, None, None)}
    figure = importances(moved, {"a": Estimate(1.5, 0.5, 2.5)})
    assert "a: 20.0 %, +1.50 bps; b: 0.0 %" in figure.alt


def test_the_others() -> None:
    mean = np.tile([0.1, 0.6, 0.2, 0.1], (3, 1))
    assert "take from 10 % to 10 %" in dependences([("spread", [0, 1, 2], mean)]).alt
    assert frontier(([1, 2], [2, 1]), [([1], [2])], {"x": ([1, 0], [[1, 0]])}).svg.startswith(
        "<svg"
    )
    assert (
        "network: 2.000 to 3.000"
        in hedges([1, 2], {"d": ([0, 1], [[0, 1]])}, [0, 10], {"network": [2, 3]}).alt
    )

"""Policies that come with Tercel: loadable, said to be synthetic, with figures of what they observe."""

import numpy as np
import pytest

from certify.kits.strategy import random_views
from tercel.core.errors import PolicyError, UnknownNameError
from tercel.execution.features import FEATURES, N_FEATURES
from tercel.execution.policies_packaged import (
    DEFAULT,
    CalmObservations,
    folder_of,
    named,
    names,
    observed,
    packaged,
    read_observed,
)
from tercel.execution.strategies import MarketEstimates
from tercel.lab.learning.agent.config import preset_file, read_config


def test_the_default_is_where_the_recipe_starts() -> None:
    assert DEFAULT in names()
    strategy, card = packaged(DEFAULT)
    assert (card.name, card.actions, card.observation) == ("default", "costs", "costs")
    assert "no training" in card.trained_on["material"]
    figures = observed(DEFAULT)
    assert figures.entries == FEATURES
    assert (figures.sd >= 0).all()
    assert (np.diff(figures.quantiles, axis=0) >= 0).all()
    assert figures.decisions > 1000
    told = read_config(preset_file("default"))
    assert (told.policy.actions, told.policy.stack) == (card.actions, card.stack)
    start = told.learner.settings["start"]
    weight, bias = strategy.policy.layers[0]  # type: ignore[attr-defined]
    for column, action in enumerate(("take", "inside", "hide")):
        rows = dict(
            zip((*card.observes, "constant"), (*weight[:, column], bias[column]), strict=True)
        )
        assert {name: value for name, value in rows.items() if value} == pytest.approx(
            start.get(action, {})
        )
    view = random_views(50, 1)
    assert strategy.decide(view).shape == (50, 10)


def test_names() -> None:
    assert named("default+posture").name == "default+posture"
    assert named("default-1").name == "default-1"
    assert named("pov+alpha", MarketEstimates(100.0)).name == "pov+alpha"
    with pytest.raises(UnknownNameError, match="default-1"):
        folder_of("default-9")


def test_figures_there_and_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    values = np.random.default_rng(0).normal(size=(500, N_FEATURES))
    made = CalmObservations.of(values, 5, "somewhere", "a command")
    (tmp_path / "o.json").write_text(made.to_json())
    again = read_observed(tmp_path / "o.json")
    np.testing.assert_array_equal(again.mean, made.mean)
    np.testing.assert_array_equal(again.quantiles, made.quantiles)
    (tmp_path / "o.json").write_text("{}")
    with pytest.raises(PolicyError, match=r"o\.json"):
        read_observed(tmp_path / "o.json")

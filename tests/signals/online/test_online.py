"""Learning online: experts against closed forms, fixed share against every sequence, nothing from labels to come."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import DataError
from tercel.signals.models.fusion import stack
from tercel.signals.models.model_folder import save
from tercel.signals.models.online import (
    as_of,
    fixed_share,
    format_time,
    learn,
    learn_all,
    solve_ridge,
    states_at,
)
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.models.skill import AlphaScale
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import EXPERTS, OnlineRule
from tercel.signals.sources.synthetic import synthetic_market

pytest.importorskip("sklearn")
RULE = OnlineRule(warm=20, window=30, half_life=12.0, penalty=3.0)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """With gaps, a column that begins late, and labels of one name that end three dates later than others."""
    made = synthetic_market(3, instruments=15, days=110, strength=0.2).data
    rng, late = np.random.default_rng(1), made.instrument == "S003"
    x = np.where(rng.random(made.x.shape) < 0.1, np.nan, made.x)
    x[made.dates < 40, made.names.index("interaction.c")] = 7.0
    return replace(made, x=x, end_ns=made.end_ns + np.where(late, 3 * 86_400 * 10**9, 0))


@pytest.mark.parametrize("one", EXPERTS)
def test_each_expert_is_a_weighted_ridge_of_labels_that_had_ended(data: Dataset, one: str) -> None:
    from sklearn.linear_model import Ridge

    found = learn(data, "interaction", one, RULE)  # type: ignore[arg-type]
    x = data.x[:, list(data.sources["interaction"])]
    there = ~np.isnan(x).all(axis=1)
    times = np.unique(data.time_ns[there])
    known = np.searchsorted(times, data.end_ns)  # the date from which on a label is known
    warm, last = there & (known <= RULE.warm), len(times) - 1
    assert found.model.used.tolist() == [0], "a column that had not varied by then is left out"
    feature = np.where(np.isnan(x[:, 0]), np.median(x[warm & ~np.isnan(x[:, 0]), 0]), x[:, 0])
    scaled = (feature - feature[warm].mean()) / feature[warm].std()
    batches = np.unique(known[there & (known <= last)])
    weight = {
        "static": warm.astype(float), "rolling": (there & np.isin(known, batches[-RULE.window :])).astype(float),
        "recursive": np.where(there & (known <= last), 0.5 ** ((last - known) / RULE.half_life), 0.0),
    }[one]  # fmt: skip
    oracle = Ridge(alpha=RULE.penalty).fit(scaled[:, None], data.y, sample_weight=weight)
    told = oracle.predict(scaled[:, None])
    now = there & (data.time_ns == times[-1])
    np.testing.assert_allclose(found.forecast[now], told[now], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.model.predict(x[now]), told[now], rtol=0, atol=1e-10)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("experts", [1, 2, 3])
def test_fixed_share_is_bayes_over_every_sequence_of_experts(experts: int, share: float) -> None:
    losses = np.random.default_rng(experts).exponential(1.0, (5, experts))
    mass = np.zeros(experts)
    for path in itertools.product(range(experts), repeat=len(losses) + 1):
        switches = [
            share / max(experts - 1, 1) if a != b else 1.0 - share * (experts > 1)
            for a, b in itertools.pairwise(path)
        ]
        mass[path[-1]] += np.prod(switches) * np.exp(
            -losses[np.arange(len(losses)), path[:-1]].sum()
        )
    weights = np.full(experts, 1.0 / experts)
    for loss in losses:
        weights = fixed_share(weights, loss, share)
    np.testing.assert_allclose(weights, mass / mass.sum(), atol=1e-12)


def test_labels_to_come_change_no_forecast_and_no_parameter(data: Dataset) -> None:
    whole = learn(data, "linear", "blend", RULE)
    for date in (25, 60, 90):
        cut = int(np.unique(data.time_ns)[date])
        spoilt = replace(data, y=np.where(data.end_ns > cut, -3.0 * data.y[::-1], data.y))
        early = data.time_ns <= cut
        assert (
            learn(spoilt, "linear", "blend", RULE).forecast[early].tobytes()
            == whole.forecast[early].tobytes()
        )
        shorter = learn(data.rows(np.flatnonzero(early)), "linear", "blend", RULE)
        assert shorter.forecast.tobytes() == whole.forecast[early].tobytes()
        state = states_at(whole.moves, cut)
        assert states_at(shorter.moves, cut) == state
        assert [line for line in whole.moves if line.at <= format_time(cut)] == shorter.moves


def test_the_journal_leads_back_to_any_state_and_tells_the_forecasts(data: Dataset) -> None:
    found = learn(data, "linear", "blend", RULE)
    times = [int(t) for t in np.unique(data.time_ns[np.isfinite(found.forecast)])]
    state = states_at(found.moves, times[-1])["linear"]
    assert sum(
        value for name, value in state.items() if name.startswith("weight:")
    ) == pytest.approx(1.0)
    for line, before in zip(found.moves[::-1], found.moves[-2::-1], strict=False):
        now = states_at(found.moves, int(np.datetime64(line.at[:-1], "ns").astype(np.int64)))[
            "linear"
        ]
        assert state == now
        state = state | {name: old for name, (old, _) in line.moved.items()}
        assert before.at < line.at
    assert state == states_at(found.moves, times[0])["linear"]
    for old, _ in found.moves[0].moved.values():
        assert old is None


def test_a_source_that_had_learned_nothing_is_silent_as_it_was(
    data: Dataset, tmp_path: Path
) -> None:
    column = data.names.index("linear.a")
    x = data.x.copy()
    x[data.dates < 50, column] = np.nan
    late = replace(data, x=x)
    told, parts, moves = learn_all(late, "recursive", RULE)
    names = [one.name for one in parts]
    fusion = stack(told, data.y, names)
    model = save(
        tmp_path,
        SignalModel(fusion, tuple(parts), AlphaScale(1e4, 1.0, 1.0, 1, 1)),
        {},
        updates=moves,
    )
    for date in (30, 60, 90):
        rows = data.dates == date
        at = int(data.time_ns[rows][0])
        then = as_of(model, at).part_forecasts(
            {name: late.x[rows, c] for c, name in enumerate(late.names)}
        )
        np.testing.assert_allclose(then, told[rows], rtol=0, atol=1e-12)
        assert np.isnan(then[:, names.index("linear:linear")]).all() == (date < 70)
    with pytest.raises(DataError, match="had learned nothing"):
        as_of(model, int(data.time_ns[0]))


def test_too_little_history_is_refused(data: Dataset) -> None:
    with pytest.raises(DataError, match="take a longer history"):
        learn(data, "linear", "blend", OnlineRule(warm=500))
    flat = replace(data, x=np.where(np.isnan(data.x), np.nan, 1.0))
    with pytest.raises(DataError, match="leave the source out"):
        learn(flat, "linear", "blend", RULE)


def test_a_singular_system_is_solved() -> None:
    assert np.isfinite(solve_ridge(np.zeros((3, 4)), 0.0)).all()

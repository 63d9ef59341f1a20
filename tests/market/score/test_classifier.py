"""The classifier: features by brute force, AUC by counting pairs, and tapes that can and cannot be told apart."""

import itertools

import numpy as np
import pytest

from tercel.market.flow.port import Preset
from tercel.market.score.classifier import (
    FEATURES,
    WINDOW,
    _thin_windows,
    _windows,
    auc,
    classifier_auc,
    features,
)
from tercel.market.score.conditional import (
    ConditionalBins,
    ConditionalReference,
    given_spread,
    given_time,
)
from tercel.market.score.distance import Bins, l1
from tercel.market.score.scored_days import Day, simulate_stretch


def test_the_area_by_counting_pairs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(1, 8, 40).astype(float)
    pairs = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    assert auc(a, b) == pytest.approx(pairs)


def test_features_by_brute_force(days: list[Day]) -> None:
    seen = days[0].observe()
    found = features(seen)
    own = [i for i in range(seen.n) if not seen.remainder[i]]
    assert found.shape == (len(own) // WINDOW, len(FEATURES))
    assert np.all(np.isfinite(found))
    rows = own[3 * WINDOW : 4 * WINDOW]
    kinds = seen.kind[rows]
    assert found[3, :6].tolist() == [np.mean(kinds == k) for k in range(6)]
    at = {name: k for k, name in enumerate(FEATURES)}
    same = np.mean([seen.lots[a] == seen.lots[b] for a, b in itertools.pairwise(rows)])
    assert found[3, at["same size as before"]] == pytest.approx(same)
    waits = [np.log10((seen.ns[b] - seen.ns[a]) / 1e9) for a, b in itertools.pairwise(rows)]
    assert found[3, at["mean log wait"]] == pytest.approx(np.mean(waits))
    spread = [seen.ask_px[i, 0] - seen.bid_px[i, 0] for i in rows]
    assert found[3, at["sd of spread"]] == pytest.approx(np.std(spread))
    mids = [(seen.ask_px[i, 0] + seen.bid_px[i, 0]) / 2 for i in (rows[0], rows[-1])]
    assert found[3, at["absolute move of the mid"]] == pytest.approx(abs(mids[1] - mids[0]))


def test_a_market_is_not_told_from_itself_and_another_is(truth: Preset, days: list[Day]) -> None:
    pytest.importorskip("sklearn")
    seen = days[0].observe()
    own = classifier_auc(seen, simulate_stretch(truth, 9, seen))
    other = truth.model_copy(update={"market_sizes": tuple(3 * s for s in truth.market_sizes)})
    far = classifier_auc(seen, simulate_stretch(other, 9, seen))
    assert own is not None
    assert far is not None
    assert own < 0.62
    assert far > own + 0.1
    assert classifier_auc(seen, seen, like=[seen]) == classifier_auc(seen, seen)
    short = Day(days[0].instrument, days[0].events, 900.0, 1050.0).observe()
    assert classifier_auc(short, short) is None
    assert classifier_auc(seen, seen, like=[short]) is None, "as few rows as the other"
    parts = [len(rows) for rows in _windows(short, 1)]
    assert [len(_thin_windows(np.zeros((99, 2)), n)) for n in parts] == parts


def test_conditional_distances_by_hand() -> None:
    rng = np.random.default_rng(2)
    given, other_given = (
        rng.integers(0, 3, 900).astype(float),
        rng.integers(0, 3, 900).astype(float),
    )
    values, other = rng.normal(given), rng.normal(2 * other_given)
    found = ConditionalBins(values, given).l1(other, other_given)
    by_hand = 0.0
    for c in range(3):
        a, b = values[given == c], other[other_given == c]
        bins = Bins.of(a, 20)
        by_hand += np.mean(given == c) * l1(bins.shares(a), bins.shares(b))
    assert found == pytest.approx(by_hand)
    assert ConditionalBins(values, given).l1(values, given) == 0.0
    assert ConditionalBins(values, given).l1(other, other_given + 50) is None


def test_a_day_given_its_spread_and_hour_is_itself(days: list[Day]) -> None:
    seen = days[0].observe()
    reference = ConditionalReference(seen, 1)
    assert set(reference.l1([seen]).values()) == {0.0}
    other = reference.l1([days[1].observe()])
    assert all(value is not None and 0.0 < value < 0.5 for value in other.values())
    spread, time = given_spread([seen], 1), given_time([seen], 1)
    assert len(spread["touch_depth"][0]) == 2 * len(spread["event_mix"][0])
    assert set(time["spread"][1]) == {0.0, 1.0, 2.0, 3.0}
    assert len(time["minute_volume"][0]) == 105

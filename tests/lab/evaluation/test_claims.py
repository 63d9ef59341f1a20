"""Claims: counted after the correction, pooled by hand, every loss by name."""

import numpy as np
import pytest

from tercel.lab.evaluation.claims import claim
from tercel.lab.evaluation.comparisons import ComparisonLedger, Scores, compare

SEEDS = 3


def scores(generator, gains):
    """A recipe of three seeds, and what it saves on each strategy."""
    noise = generator.normal(size=300)
    table = {
        "mine": noise
        + 0.05 * generator.normal(size=(SEEDS, 1))
        + 0.2 * generator.normal(size=(SEEDS, 300))
    }
    table |= {
        name: (noise + gain + 0.5 * generator.normal(size=300))[None, :]
        for name, gain in gains.items()
    }
    return Scores(table, np.arange(300))


def claimed(worlds, best=None):
    """A claim of worlds: regime -> market -> strategy -> true gain."""
    generator, ledger = np.random.default_rng(0), ComparisonLedger()
    cells = {
        regime: {
            market: compare(scores(generator, gains), ["mine"], {}, ledger, generator)
            for market, gains in row
        }
        for regime, row in ((regime, row.items()) for regime, row in worlds.items())
    }
    teams = {
        market: [f"{market}-{seed}" for seed in range(SEEDS)]
        for market in next(iter(worlds.values()))
    }
    found = claim("mine", cells, teams, ledger, generator, best)
    ledger.adjust()
    return found, cells, len(ledger.primary)


def test_what_is_above_open_and_below_is_counted_and_named():
    row = {"weak": 2.0, "equal": 0.0, "strong": -2.0}
    found, *_ = claimed({"plain": {"a": row, "b": row}})
    assert found.training_seeds == {"a": SEEDS, "b": SEEDS}
    for key in ("these_markets", "any_markets"):
        assert set(found.called_by_view[key]["open"]) <= {"equal", "weak", "strong"}
    told = found.called_by_view["these_markets"]
    assert {word: list(names) for word, names in told.items()} == {
        "above": ["weak"], "open": ["equal"], "below": ["strong"]
    }  # fmt: skip
    assert found.verdict["these_markets"].startswith(
        "significantly cheaper than 1 of 3 and more expensive than 1 (strong -"
    )
    assert "no significant difference from 1 (equal " in found.verdict["these_markets"]
    assert {(part.against, part.place) for part in found.worse} == {
        ("strong", "a"),
        ("strong", "b"),
    }


def test_a_primary_comparison_is_made_once():
    row = {"weak": 2.0, "strong": -2.0, "random": 3.0}
    found, _, primaries = claimed({"plain": {"a": row, "b": row}}, {"a": "strong", "b": "weak"})
    against, primary = found.against, found.primary
    assert against["random"].these_markets is primary["random"].gain
    assert all(against[name].these_markets is not primary["best written"].gain for name in row)
    assert primaries == 2
    found, _, primaries = claimed({"plain": {"a": row, "b": row}}, {"a": "random", "b": "random"})
    assert found.primary["best written"].gain is found.primary["random"].gain
    assert primaries == 1


def test_a_regime_that_loses_is_not_averaged_away():
    good, bad = {"weak": 2.0}, {"weak": -2.0}
    worlds = {
        "plain": {"a": good, "b": good},
        "thin": {"a": good, "b": bad},
        "calm": {"a": good, "b": good},
    }
    found, cells, _ = claimed(worlds)
    assert found.called_by_view["these_markets"]["above"].keys() == {"weak"}
    assert [(part.against, part.place) for part in found.worse] == [("weak", "b thin")]
    assert found.lowest["by_regime"].place == "thin"
    row = found.against["weak"]
    by_hand = [one.cell.paired["mine"]["weak"].mean for one in cells["thin"].values()]
    assert row.by_regime["thin"].mean == pytest.approx(np.mean(by_hand))
    assert all(
        cell.power > 0 for cell in (row.any_markets, row.these_markets, *row.by_market.values())
    )


def test_one_market_is_claimed_as_it_is():
    found, cells, _ = claimed({"plain": {"a": {"weak": 2.0}}, "thin": {"a": {"weak": 1.0}}})
    row = found.against["weak"]
    assert row.these_markets is None
    assert row.by_market["a"] is cells["plain"]["a"].cell.paired["mine"]["weak"]
    assert row.by_regime["thin"] is cells["thin"]["a"].cell.paired["mine"]["weak"]
    assert found.verdict == {
        "by_market": "significantly cheaper than 1 of 1 and more expensive than none; no significant difference from none"
    }

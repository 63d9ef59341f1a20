"""The compiled flow obeys its law: rescaled waits of its own days, regimes, own orders, bounds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from studies.flows.hawkes import layout as at
from studies.flows.hawkes.calibrate import calibrate
from studies.flows.hawkes.fit import Excitation, History, residuals
from studies.flows.hawkes.preset import HawkesPreset
from studies.flows.hawkes.state import HawkesFactors, classify
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.flow import load
from tercel.market.observed import observe
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded, simulated_day
from tercel.market.simulator.records import put_real
from tercel.market.simulator.source import first_world
from tercel.market.tape import Instrument
from tercel.market.tape.schema import EXECUTE

HOUR = 3_600_000_000_000
TICK = Instrument("TEST", "TOY", "2003-01-13", 0.01)


@pytest.fixture(scope="module")
def preset() -> HawkesPreset:
    found = load("csco-hawkes")
    assert isinstance(found, HawkesPreset)
    return found


def test_its_days_obey_the_law(preset: HawkesPreset) -> None:
    """Read a simulated day back, work out every rate from the tape alone, rescale time: twelve types, each Exp(1)."""
    seen = observe(TICK, simulated_day(preset, 3, 14_000.0, 0.0), 0.0)
    keep = seen.ns > 0  # not the book it began with
    kind, side = seen.kind[keep].astype(np.int8), (seen.side[keep] < 0).astype(np.int8)
    states = classify(
        seen.bid_px[keep], seen.ask_px[keep], seen.bid_lots[keep].astype(float), seen.ask_lots[keep].astype(float),
        np.array(preset.spread_edges), np.array(preset.queue_edges), np.array(preset.cancel_rate),
    )  # fmt: skip
    factor = HawkesFactors(
        np.array(preset.spread_imbalance), np.array(preset.queue), preset.depth_scale
    ).of(states)
    factor[:, :, at.IN_SPREAD] *= (seen.ask_px[keep, 0] - seen.bid_px[keep, 0] > 1)[:, None]
    seconds = seen.ns[keep] * 1e-9
    own = factor[np.arange(len(kind)), side, kind]
    season = np.array(preset.season)[
        np.minimum((seconds / preset.season_s).astype(int), at.SEASONS - 1)
    ]
    day = History(seconds, kind, side, 1.0 / np.maximum(own, at.LEAST_FACTOR), factor, season, 0.0)
    law = Excitation(
        np.array(preset.base),
        np.array(preset.children) * np.array(preset.decays),
        np.array(preset.decays),
    )
    for waits in residuals(day, law):
        ordered = np.sort(waits[5:])  # the memory that a first world begins with is not on its tape
        distance = np.abs(-np.expm1(-ordered) - np.arange(1, len(ordered) + 1) / len(ordered)).max()
        assert len(ordered) > 100
        assert (
            distance * math.sqrt(len(ordered)) < 2.2
        )  # one in two hundred thousand, and a few nanoseconds


def test_no_crossed_book_no_overflow_no_runaway(preset: HawkesPreset) -> None:
    b, k, flow = first_world(preset, 11)
    for hour in range(1, 41):
        run_recorded(b, k, flow, hour * HOUR)
        bid, ask = int(b[lay.BEST_BID]), int(b[lay.BEST_ASK])
        assert bid == NO_BID or ask == NO_ASK or bid < ask
        assert b[lay.OVERFLOW] == 0
    per_second = preset.card["tape"]["events_per_s"]
    assert 0.3 * per_second < k[sim.EVENTS] / (40 * 3600) < 3.0 * per_second


@pytest.mark.parametrize(("pace", "market", "expected"), [(2.0, 1.0, 2.0), (1.0, 3.0, None)])
def test_a_regime_scales_rates_not_branching(
    preset: HawkesPreset, pace: float, market: float, expected: float | None
) -> None:
    counts = []
    for on in (False, True):
        b, k, flow = first_world(preset.model_copy(update={"season": (1.0,) * at.SEASONS}), 9)
        if on:
            k[sim.REGIME] = 1
            for word, value in (
                (sim.LIMIT_FACTOR, 1.0), (sim.MARKET_FACTOR, market), (sim.CANCEL_FACTOR, 1.0), (sim.PACE_FACTOR, pace),
                (sim.LEAN, 0.0),
            ):  # fmt: skip
                put_real(k, word, value)
        rows = run_recorded(b, k, flow, 12 * HOUR)
        taken = rows[rows[:, sim.R_KIND] == EXECUTE]
        counts.append((len(rows), len(np.unique(taken[:, sim.R_NS]))))
    if expected is not None:
        assert counts[1][0] / counts[0][0] == pytest.approx(expected, rel=0.3)
    else:
        assert (
            1.3 < counts[1][1] / counts[0][1] < 4.5
        )  # the book answers: more are sent, less is left to take


def test_own_buying_brings_sellers(preset: HawkesPreset) -> None:
    sold = []
    for bias in (0.0, 1.5):
        b, k, flow = first_world(preset, 4)
        k[sim.IMPACT] = sim.WEIGHTS
        put_real(k, sim.BIAS, bias)
        run_recorded(b, k, flow, 6 * HOUR)
        sold.append(k[sim.SOLD] / max(k[sim.BOUGHT], 1))
    assert sold[1] > 1.3 * sold[0]


def test_presets_come_back_and_wrong_ones_are_refused(preset: HawkesPreset, tmp_path: Path) -> None:
    path = tmp_path / "again.json"
    preset.save(path)
    assert load(path) == preset
    body = json.loads(path.read_text())
    for change, says in (
        ({"children": (np.array(body["children"]) * 3.0).tolist()}, "spectral radius"),
        ({"base": [-1.0, *body["base"][1:]]}, "base"),
        ({"base": [1e9, *body["base"][1:]]}, "base rates"),
        ({"season": [1e30, *body["season"][1:]]}, "less than or equal"),
        ({"queue": body["queue"][1:]}, "queue is of shape"),
        ({"window": -1}, "window"),
    ):
        path.write_text(json.dumps(body | change))
        with pytest.raises(ConfigError, match=says):
            load(path)


@pytest.mark.release
def test_calibrated_on_its_own_day_it_comes_back(preset: HawkesPreset) -> None:
    """From a simulated day: radius, pace, mix and spread as they were within what a day says of them."""
    events = simulated_day(preset, 8, 40_000.0, 0.0)
    again = calibrate([(TICK, events)], name="x", date="2026-01-01", lot_shares=1, skip_s=600.0)
    assert 0.6 < again.radius < 0.99
    tape, last = again.card["tape"], again.card["pilots"][-1]
    assert last["events_per_s"] == pytest.approx(tape["events_per_s"], rel=0.25)
    assert last["spread_ticks"] == pytest.approx(tape["spread_ticks"], rel=0.2)

"""Impact on a recorded tape: prices are moved as the book is, a propagator is found again, silence changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from studies.impact.metaorder import SHIFT, displacement, paired
from tercel.core.errors import ConfigError
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.impact.book_shift import translate
from tercel.market.impact.fitted import (
    LAGS,
    SignedFlow,
    fit_exponentials,
    fit_propagator,
    linear_law,
    tape_law,
)
from tercel.market.impact.law import ImpactLaw, law_on_card
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded
from tercel.market.simulator.entry import send_new
from tercel.market.simulator.event_loop import advance
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.source import Source, reactive, run_free, with_impact
from tercel.market.tape.schema import ADD, EXECUTE

LAW = ImpactLaw("translation", mean_trade_lots=9.0, trades=90.0, sigma_ticks=15.0)


@pytest.fixture(scope="module")
def tape() -> Source:
    """Half an hour of a simulated market, as tape."""
    source = reactive(load("csco-santa-fe"), settle_s=600.0)
    b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
    first = b.copy()
    rows = run_recorded(b, k, source.flow, int(k[sim.NOW]) + 1800 * NS_PER_SECOND)
    world = blank_state(sim.REPLAY)
    same = [sim.NOW, sim.MID2, sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK]
    world[same] = source.worlds_k[0][same]
    world[sim.CURSOR_END], world[sim.FLOW_NS] = len(rows), rows[0, sim.R_NS]
    return Source(
        "tape",
        sim.REPLAY,
        np.zeros(sim.FLOW_HEAD),
        rows[:, :6].copy(),
        first[None],
        world[None],
        0.01,
        1,
    )


def played(source: Source, shift_at_s: float, ticks: int) -> tuple[np.ndarray, np.ndarray]:
    b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
    start = int(k[sim.NOW])
    run_free(b, k, source.flow, source.tape, start + round(shift_at_s * NS_PER_SECOND))
    if ticks:
        translate(b, k, ticks)
    run_free(b, k, source.flow, source.tape, start + 1800 * NS_PER_SECOND)
    return b, k


def test_after_a_translation_the_tape_goes_on_at_prices_moved_by_it(tape: Source) -> None:
    plain, moved = played(tape, 600.0, 0), played(tape, 600.0, 7)
    orders = [
        b[lay.HEADER : int(b[lay.AT_LEVELS])].reshape(-1, lay.ORDER) for b, _ in (plain, moved)
    ]
    live = orders[0][:, lay.QTY] > 0
    np.testing.assert_array_equal(orders[1][:, lay.QTY], orders[0][:, lay.QTY])
    np.testing.assert_array_equal(orders[1][live, lay.PRICE], orders[0][live, lay.PRICE] + 7)
    for word in (sim.PUBLIC_BID, sim.PUBLIC_ASK):
        assert moved[1][word] == plain[1][word] + 7
    assert moved[1][sim.MID2] == plain[1][sim.MID2] + 14
    for word in (sim.EVENTS, sim.BOUGHT, sim.SOLD, sim.OFI):
        assert moved[1][word] == plain[1][word]


def test_a_tape_under_a_law_is_the_same_until_we_trade(tape: Source) -> None:
    plain, quiet = played(tape, 1.0, 0), played(with_impact(tape, LAW), 1.0, 0)
    assert plain[0].tobytes() == quiet[0].tobytes()
    quiet[1][sim.IMPACT] = 0
    assert plain[1].tobytes() == quiet[1].tobytes()
    assert not tape.reacts
    assert with_impact(tape, LAW).reacts


def test_prices_that_we_see_are_shifted_and_recover(tape: Source) -> None:
    paths = paired(with_impact(tape, LAW), 120, 300.0, 9.0, pairs=1, seed=1, step_s=60.0, points=30)
    moved = displacement(paths)[0]
    want = LAW.scale_ticks * np.sqrt(120 / 9.0)
    assert 0.5 * want < moved[5] < 1.1 * want
    assert moved[-1] < 0.8 * moved[5]
    np.testing.assert_allclose(
        moved[-1], 0.5 * (paths[0, 0, -1, SHIFT] - paths[0, 1, -1, SHIFT]), atol=1.0
    )


@pytest.mark.parametrize("passive_impact", [0.0, 0.25, 1.0])
def test_a_resting_fill_counts_as_a_part_of_a_take(passive_impact: float) -> None:
    """40 lots that rest inside the spread are sold into, 40 others are taken: shifts of the law, of its part, and of their sum.

    Each is a mean over 40 markets, whose law rounds to whole ticks at thresholds of their own.
    """
    shifts = np.array([_rest_and_take(passive_impact, market) for market in range(40)])
    trades = np.array([passive_impact, 1.0, 1.0 + passive_impact]) * 40.0 / LAW.mean_trade_lots
    np.testing.assert_allclose(shifts.mean(axis=0), LAW.target(trades), atol=0.3)
    assert np.abs(shifts - LAW.target(trades)).max() < 1.2


def _rest_and_take(passive_impact: float, market: int) -> list[int]:
    """Ticks by which the book is shifted after own lots rested, after they took, and after both."""
    levels = [
        (0, ADD, 2 * n + (side < 0), side, 1000 - side * (5 + n), 100)
        for n in range(20)
        for side in (1, -1)
    ]
    tape = np.array([*levels, (5, EXECUTE, 0, 1, 995, 50)], np.int64)
    flow = np.concatenate(
        (np.zeros(sim.FLOW_HEAD), replace(LAW, passive_impact=passive_impact).pack())
    )
    flow[sim.IMPACT_AT] = sim.FLOW_HEAD
    shifts = []
    for rests, takes in ((True, False), (False, True), (True, True)):
        b, k = lay.new_book(256, 256, 32), sim.extend(blank_state(sim.REPLAY), 2, record_rows=512)
        k[[sim.SIDE, sim.QUANTITY, sim.LEFT, sim.PHASE]] = 1, 100, 100, sim.WORKING
        k[[sim.HORIZON_NS, sim.CURSOR_END, sim.FLOW_NS]] = 10**12, len(tape), 0
        k[sim.IMPACT] = sim.TRANSLATION
        seed_stream(k, sim.FLOW_RNG, market, 0, 1)
        for due, sent, command in (
            (1, rests, (1000, 40, 0)),
            (6, takes, (1050, 40, sim.IMMEDIATE)),
        ):
            k[sim.DUE_NS] = due
            assert advance(b, k, flow, tape) == sim.DUE
            assert not sent or send_new(b, k, *command)
        k[sim.DUE_NS] = 10
        advance(b, k, flow, tape)
        assert k[sim.LEFT] == 100 - 40 * (rests + takes)
        shifts.append(int(k[sim.SHIFT]))
    return shifts


def test_a_known_propagator_is_found_again() -> None:
    rng = np.random.default_rng(1)
    n = 60_000
    sign = np.ones(n)
    for i in range(1, n):  # signs that persist
        sign[i] = sign[i - 1] if rng.random() < 0.75 else -sign[i - 1]
    known = (1.0 + np.arange(LAGS)) ** -0.2
    steps = np.diff(np.concatenate(([0.0], known)))
    mid = (
        np.concatenate(([0.0], np.convolve(sign, steps)[: n - 1])).cumsum()
        + rng.normal(0.0, 0.05, n).cumsum()
    )
    found = fit_propagator([SignedFlow(sign, 2.0 * mid)])
    np.testing.assert_allclose(found.kernel[:50], known[:50], atol=0.06)
    assert found.correlation[1] == pytest.approx(0.5, abs=0.02)


def test_the_kernel_of_the_law_follows_the_fitted_one_and_meets_the_square_root() -> None:
    known = 0.4 + 0.6 * np.exp(-np.arange(LAGS) / 15.0)
    explicit = fit_exponentials(known, 4.0)
    rates, weights = np.array(explicit).T
    read = np.exp(-np.outer(4.0 * np.arange(LAGS), rates)) @ weights
    assert np.abs(read - known).max() < 0.03
    law = linear_law(LAW, explicit)
    held = np.where(rates > 0, -np.expm1(-rates * 600.0) / np.maximum(rates * 600.0, 1e-12), 1.0)
    end = law.scale_ticks * 0.1 * law.trades * float(weights @ held)
    assert end == pytest.approx(LAW.y * LAW.sigma_ticks * 0.1**0.5)
    assert law_on_card({"impact": law.card()}) == law


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ConfigError, match="trades to fit"):
        fit_propagator([SignedFlow(np.ones(50), np.zeros(50))])
    with pytest.raises(ConfigError, match="square_root"):
        tape_law([], "cubic")
    with pytest.raises(ConfigError, match="days with trades"):
        tape_law([], "square_root")
    assert tape_law([], "none") is None

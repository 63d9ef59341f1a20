"""The law: its kernel against the closed form, what it pays in a market that stands still, its units, its silence."""

from dataclasses import replace

import numpy as np
import pytest

from studies.impact.metaorder import SHIFT, program, run
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.impact.impact_events import whole_order_ticks
from tercel.market.impact.law import ImpactLaw, exponentials, law_on_card
from tercel.market.impact.pilot import mean_trade, pilot_law, weights_law
from tercel.market.simulator import engine, kernel_requests, layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.simulator.records import real
from tercel.market.simulator.source import NO_TAPE, Source, reactive, run_free, with_impact

LAW = ImpactLaw("translation", mean_trade_lots=4.0, trades=100.0, sigma_ticks=20.0, td_s=300.0)


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), worlds=2, settle_s=600.0)


def still(law: ImpactLaw, index: int = 0) -> Source:
    """A deep book in which nothing moves by itself; `index` draws how ticks are rounded."""
    b, k = lay.new_book(256, 256, 32), blank_state(sim.SANTA_FE)
    for side in (1, -1):
        for n in range(1, 100):
            engine.lay_order(b, k, np.zeros(sim.FLOW_HEAD), NO_TAPE, side, 1000 - side * n, 10)
    source = Source(
        "still", sim.SANTA_FE, np.zeros(sim.FLOW_HEAD), NO_TAPE, b[None], k[None], 0.01, 1
    )
    return with_impact(source, law)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_the_kernel_is_the_power_law_within_a_thousandth(beta: float) -> None:
    rates, weights = exponentials(beta, 600.0)
    t = np.linspace(0.0, 30_000.0, 3001)
    assert np.all(weights > 0.0)
    assert np.abs(np.exp(-np.outer(t, rates)) @ weights - (1.0 + t / 600.0) ** -beta).max() < 1e-3


def test_what_is_shifted_is_the_target_on_average_and_decays_with_it() -> None:
    after = np.array([60.0, 300.0, 900.0])
    want = LAW.scale_ticks * np.sqrt(20.0 / (1.0 + after / LAW.td_s))
    shifts = []
    for index in range(100):
        out = run(still(LAW), program(80, 1e-6, 80.0, 0), 3, index, 1.0, 902)
        shifts.append(out[after.astype(int), SHIFT])
    got = np.mean(shifts, axis=0)
    assert np.abs(np.array(shifts) - want).max() < 1.1  # ticks are whole
    np.testing.assert_allclose(got, want, atol=0.15)


def test_the_law_is_in_units_of_the_mean_trade() -> None:
    """80 lots are 20 mean trades, however many children brought them."""
    for child in (80.0, 4.0):
        shift = np.mean([
            run(still(LAW), program(80, 1e-3, child, 0), 3, n, 100.0, 2)[-1, SHIFT] for n in range(100)
        ])  # fmt: skip
        assert abs(shift - LAW.scale_ticks * np.sqrt(20.0 / (1.0 + 100.0 / LAW.td_s))) < 0.4


def test_what_the_book_cannot_fill_pays_the_law_for_the_whole_order() -> None:
    source = still(LAW)
    assert whole_order_ticks(source.flow, 80) == np.ceil(LAW.scale_ticks * np.sqrt(20.0))
    assert whole_order_ticks(with_impact(source, None).flow, 80) == 0
    assert whole_order_ticks(np.zeros(0), 80) == 0


def test_the_pilot_measures_the_mean_trade_not_the_median(csco: Source) -> None:
    preset = load("csco-santa-fe")
    sizes = preset.model_dump()["market_sizes"]
    trade = mean_trade(csco, seed=1)
    assert trade == pytest.approx(np.mean(sizes), rel=0.15)
    assert trade > 1.3 * np.median(sizes)
    law = pilot_law(preset, replenishment_s=(0.5, 20.0))
    assert law.mean_trade_lots * law.trades == pytest.approx(preset.volume_per_s * law.horizon_s)
    assert law_on_card({"impact": law.card()}) == law


def test_a_market_in_which_we_do_not_trade_is_the_same_in_every_byte(csco: Source) -> None:
    quiet = with_impact(csco, LAW)
    states = []
    for source in (csco, quiet):
        b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
        run_free(b, k, source.flow, source.tape, int(k[sim.NOW]) + 600 * NS_PER_SECOND)
        k[[sim.IMPACT, sim.APART]] = 0
        states.append((b.tobytes(), k.tobytes()))
    assert states[0] == states[1]
    assert with_impact(quiet, None).flow.tobytes() == csco.flow.tobytes()


def test_passive_fills_count_with_the_side_of_the_own_order(csco: Source) -> None:
    """A resting own buy order that is hit raises the price."""
    source = with_impact(csco, LAW)
    b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
    k[sim.SIDE] = 1
    at = engine.single_market(b, k, source.flow)
    engine.enter_new(b, k, source.flow, at, 0, 0, 1, int(k[sim.PUBLIC_BID]), 30, False)
    run_free(b, k, source.flow, source.tape, int(k[sim.NOW]) + 600 * NS_PER_SECOND)
    assert k[sim.PASSIVE_LOTS] > 0
    assert real(k, sim.KERNEL) > 0.0
    assert k[sim.SHIFT] > 0


@pytest.mark.parametrize(
    "bad",
    [{"law": "magic"}, {"mean_trade_lots": 0.0}, {"trades": float("nan")}, {"permanent": 2.0}],
)
def test_what_is_no_law_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="impact law"):
        ImpactLaw(**{**LAW.card(), **bad})


def test_under_weights_others_sell_more_while_we_buy(csco: Source) -> None:
    quiet = weights_law(LAW)
    loud = with_impact(csco, replace(quiet, strength=0.4))
    sold = []
    for source in (csco, loud):
        lots = 0
        for index in range(10):
            b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
            k[sim.FLOW_RNG] ^= index
            before = int(k[sim.SOLD] - k[sim.BOUGHT])
            orders = program(60, 120.0, 4.0, int(k[sim.NOW]))
            engine.run_orders(b, k, source.flow, source.tape, orders, 0, 0, kernel_requests.NO_OUT)
            lots += int(k[sim.SOLD] - k[sim.BOUGHT]) - before
            assert (real(k, sim.BIAS) > 0.0) == (source is loud)
            assert k[sim.SHIFT] == 0
        sold.append(lots)
    assert sold[1] > sold[0]


def test_looks_end_with_the_grid_though_orders_go_on() -> None:
    """Ten lots a level: what is bought before, at and after the last look; nothing is written behind it."""
    source = still(LAW)
    b, k = source.worlds_b[0].copy(), source.worlds_k[0].copy()
    orders = np.zeros((3, kernel_requests.EXTENT_WORDS), np.int64)
    orders[:, 0] = np.array([0.5, 2.0, 9.0]) * NS_PER_SECOND
    orders[:, 1] = 20, 10, 10
    samples = np.full((4, 8), -7.0)
    engine.run_orders(b, k, source.flow, source.tape, orders, 0, NS_PER_SECOND, samples[:3])
    assert (samples[:3, 0] - samples[:3, SHIFT]).tolist() == [1000.0, 1001.0, 1001.0]
    assert k[sim.MID2] / 2 - k[sim.SHIFT] == 1002.0
    assert (samples[3] == -7.0).all()


def test_taking_and_unwinding_at_rest_gains_on_the_law_below_a_ratio_of_1() -> None:
    """Buy n mean trades by takes, sell them at rest: a lot trades at the mean of the law over its own path, decay aside.

    At 1 the way down is the way up. Below it the price stays above where it was bought: no ratio below 1 suits round trips.
    """
    grid = (np.arange(20_000) + 0.5) / 20_000

    def gain(passive_impact: float, n: float) -> float:
        bought = LAW.target(n * grid).mean()
        return float(LAW.target(n - passive_impact * n * grid).mean() - bought)

    for n in (0.5, 20.0):
        gains = [gain(ratio, n) for ratio in (1.0, 0.75, 0.5, 0.0)]
        assert gains[0] == pytest.approx(0.0, abs=1e-9)
        assert np.all(np.diff(gains) > 0.0)

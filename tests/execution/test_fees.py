"""Fees and a late feed in whole episodes: the identity on integers, fee by fee; what is late arrives late."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tercel.core.orders import FEE_UNIT
from tercel.execution.costs import BPS, PARTS, attribute
from tercel.execution.strategies import build
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Episodes, seeded_plan
from tercel.market.flow.preset import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive
from tercel.market.simulator.terms import Fees

MS = 1_000_000
TASK = Task(horizon_s=300.0, decisions=30, warmup_s=60.0, grid_points=7)
N = 12


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=600.0)


def run(source: Source, task: Task, strategy: str = "twap_passive", quantity: int = 60) -> Episodes:
    episodes = Episodes(source, task, N, log_rows=2000, record_rows=20_000)
    episodes.start(seeded_plan(task, quantity, 5, 0, N))
    chosen = build(strategy)
    while episodes.working.any():
        episodes.step(chosen.decide(episodes.view))
    return episodes


@pytest.mark.parametrize("fees", [Fees(-0.0021, 0.0030), Fees(1.5, 5.0, "bps"), Fees(0.0, 0.0033)])
def test_the_shortfall_is_its_parts_and_the_fees_of_its_fills(market: Source, fees: Fees) -> None:
    """Fills are added up again from the log, fee by fee, in fractions."""
    free, charged = run(market, TASK), run(replace(market, fees=fees), TASK)
    costs, same = charged.costs(), free.costs()
    costs.check()
    np.testing.assert_array_equal(
        costs.shortfall - costs.fees, same.shortfall
    )  # fees change no decision of a schedule
    words = fees.words(market.tick)
    for i in range(N):
        fills = charged.fills(i)
        assert len(fills) > 3
        side, mid2 = int(costs.side[i]), int(costs.arrival_mid2[i])
        paid = sum(
            Fraction(words[0 if passive else 1] + words[2 if passive else 3] * 2 * price, FEE_UNIT)
            * lots
            for _, price, lots, _, _, passive, _ in fills.tolist()
        )
        assert abs(int(costs.fees[i]) - paid) <= Fraction(1, 2)
        traded = sum(side * (2 * price - mid2) * lots for _, price, lots, *_ in fills.tolist())
        assert int(costs.shortfall[i]) == traded + int(costs.fees[i])
    parts = attribute(costs, costs.mid2_grid)
    np.testing.assert_allclose(sum(parts[name] for name in PARTS), parts["is_bps"], atol=1e-9)
    np.testing.assert_allclose(parts["fees_bps"], costs.fees / costs.denominator * BPS)


def test_a_late_feed_is_a_late_command(market: Source) -> None:
    """One decision answers to what was seen d ago: the same commands, d later, as with d more of order entry."""
    feed = run(
        market,
        replace(
            TASK, latency=Latency("constant", 3 * MS), feed_latency=Latency("constant", 400 * MS)
        ),
    )
    entry = run(market, replace(TASK, latency=Latency("constant", 403 * MS)))
    for i in range(N):
        np.testing.assert_array_equal(feed.record(i), entry.record(i))
    drawn = run(
        market,
        replace(TASK, latency=Latency(), feed_latency=Latency("uniform", 100 * MS, 900 * MS)),
    )
    sent = np.concatenate(
        [drawn.record(i)[drawn.record(i)[:, sim.R_KIND] == sim.OWN_SENT] for i in range(N)]
    )
    late = (sent[:, sim.R_TOUCH2] - sent[:, sim.R_NS]) / MS
    assert late.min() >= 100
    assert late.max() <= 900
    assert np.unique(late).size > N


def test_an_empirical_latency_reaches_the_market(market: Source) -> None:
    values = tuple(range(5 * MS, 37 * MS, MS))
    law = Latency("empirical", values_ns=values)
    record = run(market, replace(TASK, latency=law)).record(0)
    sent = record[record[:, sim.R_KIND] == sim.OWN_SENT]
    late = sent[:, sim.R_TOUCH2] - sent[:, sim.R_NS]
    assert set(late.tolist()) <= set(values)


def test_a_task_without_the_new_terms_is_the_task_it_was() -> None:
    plain = Task(horizon_s=600.0, decisions=20, warmup_s=120.0, latency=Latency())
    assert "feed_latency" not in plain.to_dict()
    assert plain.id == "dfc705ba7b06"  # as policies' cards have it
    assert replace(plain, feed_latency=Latency("constant", 1)).id != plain.id

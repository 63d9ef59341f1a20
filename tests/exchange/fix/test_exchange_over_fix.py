"""The simulated exchange behind FIX: it keeps to the port, and an executor over it is the batch, fill for fill."""

import numpy as np
import pytest
from tests.desk.trading.test_executor import assert_same, batch, over, strategy_of
from tests.fix.elsewhere import ANYWHERE, ELSEWHERE, failed

from certify.fix.suite import certify
from certify.kits.venue import VenueConformance
from exchange.dealers import DealerVenue, mid_of
from exchange.fix.counterparties import Login
from exchange.fix.server import serve_fix
from tercel.execution.task import Latency, Task
from tercel.fix.link import Address
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.dealers import load_panel
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


class TestOverFix(VenueConformance):
    @pytest.fixture
    def venue(self, csco, serve, connect):
        latency = EntryLatency("exponential", 1_000_000, 5_000_000)
        markets = {"A": MarketSpec(csco, 1), "B": MarketSpec(csco, 2)}
        exchange = SimulatedExchange(markets, latency=latency)
        serve(venue=DealerVenue(exchange, load_panel("equity"), mid_of(exchange)))
        return connect()


@pytest.mark.parametrize("begin", ["FIX.4.2", "FIX.4.4"])
def test_it_answers_orders_as_certification_has_it(csco, profile, begin):
    """Every order case that any acceptor can be asked, at the exchange as it is served."""
    base = "generic-42" if begin == "FIX.4.2" else "generic-44"
    told = profile(
        ELSEWHERE.format(base=base, target="VENUE", symbol="A", tick="0.01", lot=csco.lot)
    )
    exchange = SimulatedExchange(
        {"A": MarketSpec(csco, 1)}, latency=EntryLatency("constant", 1_000_000)
    )
    with serve_fix(exchange, 0, [Login("DESK", begin=begin)], comp_id="VENUE") as server:
        found = certify(told, Address("127.0.0.1", server.port), only=ANYWHERE)
    assert failed(found) == []
    assert found["passed"] == len(ANYWHERE)


@pytest.mark.parametrize(
    ("name", "latency", "limit"),
    [
        ("random", Latency("exponential", 1_000_000, 700_000_000), None),
        ("random", Latency("exponential", 1_000_000, 700_000_000), "-5bps"),
        ("twap_passive", Latency("constant", 40_000_000), None),
        ("twap_passive", Latency("constant", 40_000_000), "-5bps"),
        ("mlp", Latency(), None),
    ],
)
def test_an_executor_over_fix_is_the_batch(csco, serve, connect, name, latency, limit):
    words = {"latency": latency, "grid_points": 7, "limit_price": limit}
    task = Task(share=0.2, horizon_s=300.0, decisions=20, warmup_s=60.0, **words)
    plan = seeded_plan(task, 220, 7, 0, 1)
    law = EntryLatency(latency.kind, latency.a_ns, latency.b_ns)
    serve(["me"], venue=SimulatedExchange({"X": MarketSpec(csco, 7)}, latency=law))
    start = int(csco.worlds_k[0, sim.NOW]) + task.warmup_ns
    got = over(connect("me"), task, plan.rows[0], start, strategy_of(name), False)
    wanted = batch(csco, task, plan, strategy_of(name), False)
    assert len(wanted[1]) > 3
    assert np.array_equal(got[1], wanted[1])
    assert_same(got, wanted)

"""Seconds of a market and the score over them: counted twice, streamed and in one go, on planted withdrawals."""

import math

import numpy as np
import pytest

from studies.risk.stress import calm_of
from studies.risk.withdrawals import judge
from tercel.core.errors import CapacityError, DataError
from tercel.core.orders import MarketRows
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import NO_TAPE, Source, reactive, run_free
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE
from tercel.signals.risk.anomaly import RiskMeter, StreamingAnomaly, alarm_starts, fit_baseline
from tercel.signals.risk.posture import PosturePolicy
from tercel.signals.risk.seconds import Second, SecondReader, simulate


@pytest.fixture(scope="module")
def source() -> Source:
    return reactive(load("csco-santa-fe"))


class Market:
    """A market that runs on its own, second by second, and publishes its rows."""

    def __init__(self, source: Source, seed: int) -> None:
        self.book = source.worlds_b[0].copy()
        self.state = sim.extend(source.worlds_k[0], 0, 1 << 14)
        seed_stream(self.state, sim.FLOW_RNG, seed, 0, 0)
        self.flow, self.start = source.flow, int(self.state[sim.NOW])

    def second(self, t: int) -> MarketRows:
        k = self.state
        since = int(k[sim.RECORD])
        run_free(self.book, k, self.flow, NO_TAPE, self.start + (t + 1) * NS_PER_SECOND)
        at = [
            int(k[sim.RECORD_AT]) + n % (1 << 14) * sim.RECORD_WORDS
            for n in range(since, int(k[sim.RECORD]))
        ]
        rows = np.array([k[a : a + 7] for a in at], np.int64).reshape(-1, 7)
        return MarketRows("A", rows)


def test_seconds_of_a_followed_market_are_those_of_the_simulated_one(source: Source) -> None:
    market, reader = Market(source, 3), SecondReader()
    seconds = simulate(source, np.ones((300, 3)), 3)
    for t in range(300):
        rows = market.second(t)
        reader.on_market(rows)
        found = reader.close(market)
        kinds = rows.rows[:, 1].tolist()
        assert found.cancels == sum(kind in (DELETE, REDUCE) for kind in kinds)
        assert found.trades == kinds.count(EXECUTE)
        assert found.adds == kinds.count(ADD)
        if t:  # the first has no mid before it
            assert found == Second(*seconds[t].tolist())
    assert seconds[:, 7].sum() != 0


def test_scaled_rates_change_what_they_scale(source: Source) -> None:
    calm, storm = (simulate(source, np.tile(r, (4000, 1)), 5) for r in ([1.0, 1, 1], [1.0, 3, 1]))
    assert storm[:, 5].mean() > 2 * calm[:, 5].mean()
    none = simulate(source, np.tile([0.0, 1, 1], (4000, 1)), 5)
    assert none[:, 6].sum() == 0
    assert none[-1, 1] < calm[:, 1].mean() / 4
    with pytest.raises(CapacityError, match="second"):
        simulate(source, np.tile([20.0, 1, 0.05], (4000, 1)), 5)


def test_one_by_one_is_all_at_once(source: Source) -> None:
    seconds = simulate(source, np.ones((3000, 3)), 7)
    calm = fit_baseline([seconds[:2000]])
    score = StreamingAnomaly(calm)
    one_by_one = [score.update(Second(*row.tolist())) for row in seconds]
    np.testing.assert_array_equal(StreamingAnomaly(calm).scores(seconds), one_by_one)


def test_calm_that_cannot_be_learned_from_is_named() -> None:
    seconds, broken = np.ones((200, 8)), np.ones((200, 8))
    broken[17, 3] = math.nan
    for calm, said in (
        ([], "none"),
        ([seconds[:50]], "160 calm seconds"),
        ([seconds[:, :5]], "shape"),
        ([broken], "row 17, column imbalance"),
    ):
        with pytest.raises(DataError, match=said):
            fit_baseline(calm)


def test_a_market_that_never_moves_can_still_be_left() -> None:
    still = np.tile([1.0, 100, 100, 0, 0, 0, 0, 0], (400, 1))
    score = StreamingAnomaly(fit_baseline([still]))
    assert score.update(Second(1, 100, 100, 0, 0, 0, 0, 0)) < 0.5
    for _ in range(60):
        last = score.update(Second(4, 10, 10, 0, 9, 1, 0, 2))
    assert last > 1


def test_alarms_are_counted_once() -> None:
    assert alarm_starts(np.array([0.0, 1.0, 1.5, 0.7, 1.2, 0.5, 0.9, 1.0])).tolist() == [1, 7]
    assert alarm_starts(np.array([math.nan, 0.2])).tolist() == []


@pytest.mark.release
@pytest.mark.parametrize("market", ["csco-santa-fe", "ibm-santa-fe"])
def test_the_bars_on_planted_withdrawals(market: str) -> None:
    its = reactive(load(market))
    verdict, leads = judge(its, StreamingAnomaly(calm_of(its, 20)), 100, 60, seed=77)
    assert verdict.detected_before_trough >= 0.9
    assert verdict.false_alarms_per_day <= 1
    assert np.median(leads) > 30


def test_a_posture_follows_a_market_from_calm_through_stress_and_back(source: Source) -> None:
    rates = np.ones((1800, 3))
    rates[300:900] = [0.3, 3.0, 2.5]
    meter, policy = RiskMeter("A", calm_of(source, 2, seconds=7200)), PosturePolicy("A")
    sizes = []
    for t, row in enumerate(simulate(source, rates, 15)):
        state = meter.update(Second(*row.tolist()), (t + 1) * NS_PER_SECOND)
        sizes.append(policy.update(state, state.at_ns).size_multiplier)
    assert np.mean(sizes[:300]) > 0.9
    assert np.mean(sizes[420:900]) < 0.4
    assert np.mean(sizes[1700:]) > 0.7


def test_a_meter_that_warms_up_or_meets_a_broken_second_is_cautious(source: Source) -> None:
    meter, policy = RiskMeter("A", warm_s=200), PosturePolicy("A")
    row = simulate(source, np.ones((201, 3)), 17)
    for t in range(201):
        state = meter.update(Second(*row[t].tolist()), t)
        posture = policy.update(state, t)
        assert posture.size_multiplier == 0
    assert math.isfinite(state.depth_ratio or math.nan)
    broken = meter.update(Second(*row[5].tolist())._replace(depth_own5=math.nan), 300)
    assert math.isnan(broken.depth_ratio or 0.0)


def test_a_holidays_book_is_never_taken_for_calm() -> None:
    """Quotes far apart that nobody moves, nothing traded: nothing that a ratio can be measured against."""
    meter, policy = RiskMeter("A", warm_s=200), PosturePolicy("A")
    for t in range(400):
        state = meter.update(Second(12_200.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0), t)
        posture = policy.update(state, t)
    assert posture.size_multiplier == 0
    assert "volatility against its usual level is no number" in posture.reasons[0]


def test_a_locked_book_and_one_without_trades_are_measured(source: Source) -> None:
    row = simulate(source, np.ones((400, 3)), 18)
    row[:, 0] = 0.0  # bid and ask at one price
    row[:, 5] = 0.0  # nothing traded
    meter = RiskMeter("A", warm_s=200)
    states = [meter.update(Second(*one.tolist()), t) for t, one in enumerate(row)]
    assert all(math.isfinite(value) for state in states[200:] for value in state[2:5])  # type: ignore[arg-type]

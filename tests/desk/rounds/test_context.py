"""Shares by context: the lean of the public's flow, lines of cost in the move of the mid, haste where the flow runs."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercel.api.demo.config import DemoConfig, parse_config, read_config
from tercel.api.demo.markets import open_demo
from tercel.core.errors import ConfigError
from tercel.core.fixed import ONE
from tercel.core.messages import Posture
from tercel.desk.rounds.allocation import WeightsRule
from tercel.desk.rounds.context import SPAN, ContextRule, ContextualShares, PublicLean
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.signals.risk.posture import RUN_URGENCY, RiskState, posture_policy

REGIME = Path(__file__).parents[3] / "docs" / "examples" / "regime.toml"
AGENTS = ("a", "b", "c")


def told(
    flow: list[tuple[int, int]], mids2: list[int] | None = None, minutes: int = 60
) -> PublicLean:
    """A lean that has seen minutes of (bought, sold)."""
    lean, bought, sold = PublicLean(minutes), 0, 0
    lean.minute(0, 0, 2000 if mids2 is None else mids2[0])
    for number, (more_bought, more_sold) in enumerate(flow):
        bought, sold = bought + more_bought, sold + more_sold
        lean.minute(bought, sold, 2000 if mids2 is None else mids2[number])
    return lean


class TestLean:
    @given(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40),
        st.integers(3, 10),
    )
    def test_is_a_share_with_an_error_and_shrinks_towards_nothing(
        self, flow: list[tuple[int, int]], minutes: int
    ) -> None:
        lean = told(flow)
        value, error = lean.over(minutes)
        assert -1 <= value <= 1
        assert 0 < error < math.inf
        last = flow[-minutes:]
        bought, sold = (sum(each) for each in zip(*last, strict=True))
        if sum(1 for each in last if sum(each)) >= 2:
            assert value == pytest.approx((bought - sold) / (bought + sold))
        assert math.isfinite(lean.ahead_bps(minutes, 10))

    def test_its_error_is_that_of_independent_minutes(self) -> None:
        rng = np.random.default_rng(0)
        draws = [
            told([(n, 20 - n) for n in rng.binomial(20, 0.7, 20).tolist()]).over(20)
            for _ in range(400)
        ]
        values, errors = np.array(draws).T
        assert values.mean() == pytest.approx(0.4, abs=0.02)
        # with one more minute that leans by all it has: 1 / 20
        assert float(np.mean(errors)) == pytest.approx(math.hypot(values.std(), 1 / 20), rel=0.1)

    def test_one_trade_says_nothing(self) -> None:
        assert told([(1, 0), (0, 0), (0, 0)]).over(5) == (0.0, 1.0)

    def test_a_lean_that_lasts_is_known_by_its_whole_past_and_a_new_one_by_the_last_minutes(
        self,
    ) -> None:
        lasting = told([(8, 2), (2, 2)] * 30)
        assert lasting.steady(5) == lasting.over(40)
        turned = told([(2, 8), (4, 6)] * 30 + [(8, 2)] * 10)
        assert turned.steady(5) == turned.over(10)

    def test_expects_the_move_that_a_lean_has_made_before(self) -> None:
        rng = np.random.default_rng(1)
        nets = np.append(rng.integers(-8, 9, 400), 10 * [8])
        flow = [(10 + net, 10 - net) for net in nets.tolist()]
        mids2 = (
            200_000 + np.cumsum(nets)
        ).tolist()  # a lean of net / 10 moves it by net half ticks: .05 bps each
        lean = told(flow, mids2)
        found = lean.ahead_bps(5, 4)
        value, error = lean.steady(5)
        each = 1e4 * 10 / mids2[-1]  # bps a minute of a lean of 1
        assert found == pytest.approx(4 * value * (1 - (error / value) ** 2) * each, rel=0.2)
        assert SPAN == 5


def brute(
    rounds: list[dict[str, float]], moves: list[float], rule: ContextRule, agent: str
) -> np.ndarray:
    """The line of an agent by weighted least squares with a normal prior, from all rounds at once."""
    x = np.array([[1.0, move] for move in moves])
    y = np.array([each[agent] - np.mean(list(each.values())) for each in rounds])
    kept = np.exp(-np.arange(len(moves))[::-1] / rule.memory)
    start = np.array(
        [
            rule.expected_bps.get(agent, 0.0) - np.mean(list(rule.expected_bps.values()) or [0.0]),
            0.0,
        ]
    )
    prior = np.diag([rule.level_bps**-2, rule.slope**-2]) * rule.noise_bps**2
    return np.linalg.solve(prior + (x.T * kept) @ x, (x.T * kept) @ y + prior @ start)


class TestShares:
    @pytest.mark.parametrize("said", [{}, {"a": 1.0, "b": 4.0, "c": 10.0}])
    def test_lines_are_those_of_least_squares_with_a_prior(self, said: dict[str, float]) -> None:
        rng = np.random.default_rng(2)
        rule = ContextRule(expected_bps=said)
        shares = ContextualShares(AGENTS, WeightsRule(), rule)
        moves = rng.normal(0, 30, 25).tolist()
        rounds = [
            dict(zip(AGENTS, (rng.normal(size=3) * 5 + [0, 0.5 * m, 3]).tolist(), strict=True))
            for m in moves
        ]
        for costs, move in zip(rounds, moves, strict=True):
            shares.update(costs, move)
        for agent in AGENTS:
            assert shares.line(agent) == pytest.approx(brute(rounds, moves, rule, agent))

    def test_a_share_is_the_probability_to_be_the_cheapest(self) -> None:
        rule = ContextRule(expected_bps={"a": 0.0, "b": 3.0, "c": 12.0})
        shares = ContextualShares(AGENTS, WeightsRule(floor=0.0), rule)
        shares.ahead_bps = 20.0
        draws = np.random.default_rng(3).normal(size=(3, 2, 200_000))
        costs = [
            shares.line(agent)[0] + rule.level_bps * u + rule.slope * 20.0 * v
            for agent, (u, v) in zip(AGENTS, draws, strict=True)
        ]
        wins = np.bincount(np.argmin(costs, axis=0), minlength=3) / draws.shape[-1]
        assert list(shares.shares.values()) == pytest.approx(wins.tolist(), abs=0.005)

    @given(
        st.lists(
            st.tuples(
                st.lists(st.floats(-500, 500) | st.just(math.nan), min_size=3, max_size=3),
                st.floats(-300, 300),
            ),
            max_size=20,
        ),
        st.floats(-300, 300),
    )
    def test_shares_sum_to_one_and_keep_their_floor(
        self, rounds: list[tuple[list[float], float]], ahead: float
    ) -> None:
        shares = ContextualShares(AGENTS, WeightsRule(), ContextRule())
        for costs, move in rounds:
            shares.update(dict(zip(AGENTS, costs, strict=True)), move)
        shares.ahead_bps = ahead
        assert sum(shares.shares.values()) == pytest.approx(1)
        assert min(shares.shares.values()) >= WeightsRule().floor - 1e-12

    @pytest.mark.parametrize(
        "rule", [{"minutes": 2}, {"memory": 1.0}, {"slope": 0.0}, {"level_bps": math.inf}]
    )
    def test_no_rule_is_refused(self, rule: dict[str, float]) -> None:
        with pytest.raises(ConfigError, match=r"loop\.context"):
            ContextRule(**rule)  # type: ignore[arg-type]

    def test_expectations_of_some_agents_alone_are_refused(self) -> None:
        text = REGIME.read_text().replace("taker = 9.9", "takers = 9.9")
        with pytest.raises(
            ConfigError,
            match=r"of every agent or of none, not default, peg, takers of default, peg, taker",
        ):
            parse_config(text, "regime.toml")


def state(run: float | None) -> RiskState:
    return RiskState("A", 0, 1.0, 1.0, 0.0, run)


def test_flow_that_runs_away_asks_for_haste_and_nothing_else() -> None:
    assert posture_policy("A", run=2.0).update(state(1.9), 0) == Posture("A", 0)
    hasty = posture_policy("A", run=2.0).update(state(2.0), 0)
    assert hasty.reasons == (
        "flow runs away: the move expected against the orders, in half spreads, is 2.00, at or above 2",
    )
    assert (hasty.urgency, hasty.size_multiplier, hasty.max_participation) == (
        RUN_URGENCY,
        1.0,
        1.0,
    )
    assert posture_policy("A").update(state(50.0), 0) == Posture("A", 0)


def short(config: DemoConfig, at_round: float, rounds: int) -> DemoConfig:
    """The desk of the example, its change earlier, and over earlier."""
    instrument = config.instrument[0]
    change = (instrument.change[0].model_copy(update={"at_round": at_round}),)
    changed = config.model_copy(
        update={"instrument": (instrument.model_copy(update={"change": change}),)}
    )
    return changed.with_desk(rounds=rounds)


def test_a_desk_turns_to_who_is_cheap_as_the_flow_turns_and_its_journal_says_why() -> None:
    journal = MemoryJournal(chained=False)
    opened = open_demo(short(read_config(REGIME), 4.0, 10), journal)
    opened.desk.run()
    taker = [shares["taker"] for _, _, shares in opened.desk.share_path]
    assert max(taker[:4]) < 0.2
    assert max(taker[5:]) > 0.5
    bodies = [entry.body for _, entry in journal.read(kinds=(kinds.SHARE,))]
    assert all(set(body) == {"shares", "why", "lines", "noise_bps", "ahead_bps"} for body in bodies)
    assert bodies[-1]["ahead_bps"] > 5
    reasons = [reason for _, _, posture in opened.desk.posture_path for reason in posture.reasons]
    assert any(reason.startswith("flow runs away") for reason in reasons)


def test_what_the_desk_takes_itself_is_not_the_publics_flow() -> None:
    config = short(read_config(REGIME), 20.0, 6)
    taker = tuple(section for section in config.agent if section.name == "taker")
    alone = config.model_copy(
        update={
            "agent": taker,
            "demand": config.demand.model_copy(update={"share": 0.8}),
            "loop": config.loop.model_copy(update={"shares": "cost"}),
        }
    )
    opened = open_demo(alone, MemoryJournal(chained=False))
    opened.desk.run()
    monitor = opened.desk._lines["AAA"].monitor
    value, error = monitor.lean.over(60)
    assert abs(value) < 3 * error
    took = monitor._took[1] // ONE
    assert (
        took > 0.25 * opened.session.follow("AAA").tallies(opened.session.now_ns)[1]
    )  # of all that buyers took

"""What a desk is made of, each part alone: shares, sizes, drift, arriving orders, configuration."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.api.desk.config import parse_config, read_config, read_config_and_text
from tercel.api.desk.run_text import how_sure, saving_sentence
from tercel.api.simulated_desk import demo_text, draw_ground_truth, scenario_of
from tercel.core.errors import ConfigError, OrderError, TercelError
from tercel.core.fixed_point import ONE, PAID_ONE
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import MarketRows
from tercel.desk.engine.assembly import check_config, estimates_by_instrument, limits_of
from tercel.desk.engine.card_warnings import assumed_markets_warning, find_agents_out_of_card
from tercel.desk.engine.challenge import Evidence, PaperSaving, paper_rows
from tercel.desk.engine.config import SizingRule, WeightsRule
from tercel.desk.engine.configured_agents import slot_of, strategy_of
from tercel.desk.engine.drift import DriftDetector
from tercel.desk.engine.instrument import FlowShares, FlowShortfall, Sizing, split
from tercel.desk.engine.order_arrivals import order_arrivals
from tercel.desk.engine.outcome import ParentOutcome, SavingOnPaper, savings, total_cost
from tercel.execution import policies_packaged as packaged_policies
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import TABLE, WAITING, save, shipped_forecaster
from tercel.execution.market import Market
from tercel.execution.policies.card import read_card
from tercel.execution.strategy import forecaster_of
from tercel.market.tape.schema import EXECUTE, REDUCE

BBB = 'name = "BBB"\nmarket = "ibm"'
"""The demo's second instrument."""


class TestHedge:
    @given(
        st.lists(
            st.lists(st.floats(-50, 50) | st.just(math.nan), min_size=3, max_size=3), max_size=30
        )
    )
    def test_shares_sum_to_one_and_keep_their_floor(self, costs: list[list[float]]) -> None:
        rule = WeightsRule()
        hedge = FlowShares(["a", "b", "c"], rule)
        for row in costs:
            hedge.update(dict(zip("abc", row, strict=True)))
        assert sum(hedge.shares.values()) == pytest.approx(1)
        assert min(hedge.shares.values()) >= rule.floor - 1e-12

    def test_regret_against_the_best_stays_below_the_bound_of_theory(self) -> None:
        # Freund & Schapire (1997): loss <= best + ln N / rate + rate T / 8, for losses in [0, 1], without sharing round
        rng = np.random.default_rng(0)
        rule = WeightsRule(rate=0.3, share=0.0, floor=0.0, range_bps=1.0)
        hedge, total, experts = FlowShares(list("abcd"), rule), 0.0, np.zeros(4)
        for _ in range(400):
            losses = rng.random(4) * np.array([0.5, 0.8, 1.0, 1.0])
            losses -= losses.min()  # as the rule measures them: against the round's best
            total += float(
                sum(hedge.shares[name] * loss for name, loss in zip("abcd", losses, strict=True))
            )
            experts += losses
            hedge.update(dict(zip("abcd", losses.tolist(), strict=True)))
        assert total - experts.min() <= math.log(4) / 0.3 + 0.3 * 400 / 8

    def test_an_agent_comes_back_after_a_change(self) -> None:
        hedge = FlowShares(["a", "b"], WeightsRule())
        for _ in range(50):
            hedge.update({"a": 0.0, "b": 15.0})
        assert hedge.shares["a"] > 0.9
        rounds = 0
        while hedge.shares["b"] < 0.5:
            hedge.update({"a": 15.0, "b": 0.0})
            rounds += 1
        assert rounds <= 7

    def test_a_drifting_agent_loses_share_and_gets_it_back(self) -> None:
        hedge = FlowShares(["a", "b"], WeightsRule(drift_penalty=0.5))
        hedge.penalise("a", True)
        assert hedge.shares["a"] < 0.4
        hedge.penalise("a", False)
        assert hedge.shares["a"] == pytest.approx(0.5)

    def test_no_agents_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="at least one agent"):
            FlowShares([], WeightsRule())


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 1), min_size=1, max_size=7))
def test_split_gives_every_lot_once(lots: int, raw: list[float]) -> None:
    shares = {str(i): value / sum(raw) for i, value in enumerate(raw)}
    parts = split(lots, shares)
    assert sum(parts.values()) == lots
    assert all(abs(parts[name] - lots * share) < 1 + 1e-6 for name, share in shares.items())


def alpha(bps: float, sd: float = 4.0) -> Alpha:
    return Alpha("A", 0, 600, bps, sd, 300)


class TestSizing:
    def test_waits_only_where_the_market_is_expected_to_come(self) -> None:
        sizing = Sizing(SizingRule())
        assert sizing.lots(1, 100, alpha(+30), None, is_last=False) == 100
        assert sizing.lots(1, 100, alpha(-30), None, is_last=False) == 25
        assert sizing.lots(-1, 100, alpha(+30), None, is_last=False) == 25
        assert sizing.lots(1, 100, alpha(-30), None, is_last=True) == 100

    def test_an_unsure_alpha_changes_nothing(self) -> None:
        assert Sizing(SizingRule()).lots(1, 100, alpha(-5, sd=50), None, is_last=False) == 100

    def test_a_posture_of_size_nought_stops_everything_but_the_last_round(self) -> None:
        sizing, stop = Sizing(SizingRule()), Posture("A", 0, size_multiplier=0.0)
        assert sizing.lots(1, 100, None, stop, is_last=False) == 0
        assert sizing.lots(1, 100, None, stop, is_last=True) == 100

    def test_forecasts_that_do_not_hold_are_believed_less_and_those_that_do_are_kept(self) -> None:
        sizing, rng = Sizing(SizingRule()), np.random.default_rng(1)
        for _ in range(60):
            sizing.learn_move(10.0 * rng.choice([-1, 1]), rng.normal(0, 5))
        assert sizing.trust < 0.6
        assert sizing.lots(1, 100, alpha(-12), None, is_last=False) > Sizing(SizingRule()).lots(
            1, 100, alpha(-12), None, False
        )
        kept = Sizing(SizingRule())
        for _ in range(60):
            kept.learn_move(said := 10.0 * rng.choice([-1, 1]), said + rng.normal(0, 5))
        assert kept.trust == pytest.approx(1, abs=0.15)


class TestDrift:
    def detector(self) -> DriftDetector:
        return DriftDetector(np.zeros(6), np.ones(6), [f"o{i}" for i in range(6)])

    def test_is_silent_on_the_cards_own_observations(self) -> None:
        """In every order the first entries run from one end of their range to the other, as the time left does."""
        seen = np.tile(np.linspace(1, -1, 60)[:, None], (1, 6)) * np.sqrt(3)
        detector, rng = (
            DriftDetector(np.zeros(6), seen.std(axis=0), [f"o{i}" for i in range(6)]),
            np.random.default_rng(1),
        )
        for order in range(40):
            for row in seen + rng.normal(scale=0.3, size=seen.shape):
                detector.update(f"P{order}", row)
                assert not detector.drifting
            detector.end_order(f"P{order}")
        assert detector.score < 0.3

    def test_says_which_entries_left(self) -> None:
        detector, rng = self.detector(), np.random.default_rng(2)
        for order in range(12):
            for _ in range(30):
                detector.update(
                    f"P{order}",
                    rng.normal(size=6) + np.array([3.5, 3.5, 3.5, 0, 0, 0]) * (order >= 6),
                )
            detector.end_order(f"P{order}")
            assert detector.drifting == (order >= 9)
        assert set(detector.far) == {"o0", "o1", "o2"}

    def test_what_is_no_number_counts_as_far(self) -> None:
        detector = self.detector()
        for _ in range(100):
            detector.update("P", np.full(6, np.nan))
        detector.end_order("P")
        assert detector.drifting


def test_demand_is_the_same_for_every_variant_of_a_desk() -> None:
    config = read_config(None)
    volume = {"AAA": 1.0, "BBB": 2.0}
    orders = order_arrivals(config, volume, 3)
    assert orders == order_arrivals(config, volume, 3)
    assert len(orders) == config.desk.rounds * 2
    assert {order.lots for order in orders} == {360, 720}
    assert len({(order.instrument, order.side) for order in orders}) == 2
    drawn = {order.side for seed in range(20) for order in order_arrivals(config, volume, seed)}
    assert drawn == {-1, 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rounds = 12", "round = 12"), "try 'rounds'"),
        (("rounds = 12", "rounds = 0"), "desk.rounds"),
        (('name = "BBB"', 'name = "AAA"'), "names that differ"),
        (('side = "random"', 'side = "up"'), "order_arrivals.side"),
        (("share = 0.2", "share = nan"), "order_arrivals.share"),
        (("rounds = 12", "rounds = true"), "desk.rounds: a value of type int"),
        (("rounds = 12", 'rounds = "3"'), "desk.rounds: a value of type int"),
        (("rounds = 12", f"rounds = {'9' * 5000}"), "TOML"),
        (("rounds = 12", f"rounds = {'[' * 100_000}"), "TOML"),
        (("decision_s = 30.0", "decision_s = 1e-9"), "desk.decision_s"),
        (("least = 0.5", "scale_bps = 0.0"), "scale_bps"),
        (("least = 0.5", "least = nan"), "least"),
        (("least = 0.5", "prior_bps = inf"), "prior_bps"),
        (("round_s = 1800.0", "round_s = 5.0"), "desk.round_s.*greater than 5"),
        (("at_round = 8.0", "at_round = inf"), "at_round.*finite"),
        (("rounds = 12", "warmup_s = 0.0"), "desk.warmup_s"),
        (('name = "demo"', 'name = "../demo"'), "desk.name"),
        (('name = "demo"', 'name = "a\\u0000b"'), "desk.name"),
        (('name = "demo"', f'name = "{"n" * 300}"'), "desk.name"),
        (('name = "peg"', 'name = "*"'), "agent.1.name"),
        (('name = "peg"', 'name = "all"'), "means every agent"),
        (('name = "peg"', 'name = "peg\\u000149=TRADER"'), "agent.1.name"),
        (('name = "AAA"', 'name = "<b>\\n"'), "instrument.0.name"),
        (("[desk]", "[desk"), "TOML"),
    ],
)
def test_a_file_that_cannot_be_obeyed_is_refused(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config(demo_text().replace(*change), "desk.toml")


class TestPlanted:
    def test_news_knows_as_much_of_the_drift_as_it_is_said_to(self) -> None:
        text = (
            demo_text()
            .replace("rounds = 12", "rounds = 4000")
            .replace("drift = 0.05", "drift = 0.2", 1)
        )
        config = parse_config(text, "desk.toml")
        truth = draw_ground_truth(config)["AAA"]
        drift = np.array([regime.buy_share for regime in truth.regimes]) - 0.5
        assert len(drift) == 4000
        assert np.corrcoef(drift, truth.news)[0, 1] == pytest.approx(0.6, abs=0.04)
        assert truth.news.std() == pytest.approx(1, abs=0.05)

    def test_a_change_holds_from_its_moment_until_the_next(self) -> None:
        regimes = draw_ground_truth(read_config(None))["BBB"].regimes
        depth = {regime.after_s / 1800: regime.depth for regime in regimes}
        assert depth[6.0] == 1.0
        assert depth[6.4] == depth[7.0] == 0.35
        assert depth[8.0] == depth[11.0] == 1.0
        assert [regime.after_s for regime in regimes] == sorted(
            regime.after_s for regime in regimes
        )


class TestProgram:
    @given(
        st.lists(st.tuples(st.integers(1, 20), st.integers(1900, 2100)), min_size=1, max_size=8),
        st.lists(st.tuples(st.integers(1, 20), st.integers(1900, 2100)), max_size=12),
        st.sampled_from([-1, 1]),
    )
    def test_cost_is_that_of_every_lot_alone(
        self, asked: list[tuple[int, int]], got: list[tuple[int, int]], side
    ) -> None:
        flow, queue = FlowShortfall(side), []
        for lots, mid2 in asked:
            flow.add_order(lots, mid2)
            queue += [mid2] * lots
        total = 0
        for wanted, price2 in got:
            lots = min(wanted, flow.open_lots)
            flow.fill(lots * ONE, lots * price2 * PAID_ONE)
            total += sum(side * (price2 - mid2) for mid2 in queue[:lots])
            queue = queue[lots:]
        assert flow.cost2 == total * PAID_ONE
        assert flow.open_lots == len(queue)
        marked = total + sum(side * (2000 - mid2) for mid2 in queue)
        assert flow.cost_bps(2000) == pytest.approx(
            1e4 * marked / sum(lots * mid2 for lots, mid2 in asked)
        )

    def test_more_than_was_asked_for_is_refused(self) -> None:
        flow = FlowShortfall(1)
        flow.add_order(3, 2000)
        with pytest.raises(OrderError, match="at most the 3 lots"):
            flow.fill(4 * ONE, 8000 * PAID_ONE)


def test_own_aggressions_are_withdrawals_on_paper() -> None:
    rows = np.array(
        [
            [1, EXECUTE, 4, 1, 99, 3, -1],
            [1, EXECUTE, 4, 1, 99, 3, 512],
            [2, EXECUTE, 5, 1, 99, 3, 513],
        ]
    )
    tape = paper_rows(MarketRows("A", rows), {512})
    assert tape[:, 1].tolist() == [EXECUTE, REDUCE, EXECUTE]
    assert tape[:, 2].tolist() == [4, 4, 5]
    assert tape[1].tolist() == [1, REDUCE, 4, 1, 99, 3]


def test_evidence_says_what_it_cannot_say() -> None:
    assert str(Evidence.of([1.0, 2.0])) == "2 trials: too few to say"
    assert "better" in str(Evidence.of([1.0, 1.2, 0.9, 1.1]))
    assert "no significant difference" in str(Evidence.of([1.0, -1.2, 0.9, -1.1]))
    assert str(Evidence.of([0.0] * 4)).endswith("exactly alike")
    found = Evidence.of([1.0, 2.0, 3.0])
    assert (found.mean_bps, found.high_bps) == (
        2.0,
        pytest.approx(2 + 4.302653 / math.sqrt(3), rel=1e-6),
    )


class TestSeat:
    def test_a_schedule_knows_the_market_that_it_trades_in(self) -> None:
        text = demo_text().replace(BBB, BBB.replace("ibm", "ibm-santa-fe"))
        text = text.replace("twap_take", "pov").replace(
            'strategy = "peg_touch"', 'strategy = "almgren_chriss"\nchallenger = "pov"'
        )
        config = parse_config(text, "desk.toml")
        known = estimates_by_instrument(config)
        slots = {agent.name: slot_of(agent, known) for agent in config.agent}
        for slot, champion, rival in (("schedule", "pov", ""), ("peg", "almgren_chriss", "pov")):
            for name, figures in known.items():
                wanted = [
                    strategy_of(f"{each}+alpha+posture", figures) if each else None
                    for each in (champion, rival)
                ]
                assert [repr(made) for made in slots[slot].strategies_in(name)] == [
                    repr(each) for each in wanted
                ]
            assert repr(slots[slot].strategies_in("AAA")) != repr(slots[slot].strategies_in("BBB"))

    def test_twap_take_goes_without_the_tilt_that_gained_nothing(self) -> None:
        config, line = read_config(None), 'strategy = "twap_take"\n'
        assert [slot_of(agent, estimates_by_instrument(config)).strategy_name for agent in config.agent] == [
            "packaged:default+posture", "peg_touch+alpha+posture", "twap_take+posture"
        ]  # fmt: skip
        said = parse_config(demo_text().replace(line, line + "alpha = true\n"), "desk.toml")
        named = parse_config(
            demo_text().replace(line, 'strategy = "twap_take+alpha"\nalpha = false\n'), "desk.toml"
        )
        for refused in (said, named):
            with pytest.raises(ConfigError, match="gained it nothing significant"):
                slot_of(refused.agent[2], estimates_by_instrument(refused))

    def test_a_promotion_holds_in_every_instrument(self) -> None:
        config = parse_config(
            demo_text().replace(BBB, BBB.replace("ibm", "ibm-santa-fe")), "desk.toml"
        )
        known = estimates_by_instrument(config)
        slot = slot_of(config.agent[0], known)
        before = {name: slot.strategies_in(name) for name in known}
        watched, waiting = slot.drift, slot.challenger_drift
        slot.promote()
        assert (slot.drift, slot.challenger_drift) == (waiting, watched)
        assert {name: slot.strategies_in(name) for name in known} == {
            name: (b, a) for name, (a, b) in before.items()
        }


def test_the_demos_file_shows_every_default_as_it_is() -> None:
    whole = re.sub(r"^# (\[|[a-z_]+ =)", r"\1", demo_text(), flags=re.MULTILINE)
    assert "news = 0.6" in whole
    shown, demo = parse_config(whole, "whole.toml"), read_config(None)
    assert scenario_of(shown) == scenario_of(demo)
    mail = shown.alerts.email
    assert mail is not None
    needed = mail.model_dump(include={"server", "user", "password", "sender", "to"})
    assert mail == type(mail)(**needed)
    changes = {"scenario": demo.scenario, "alerts": demo.alerts}
    assert shown.model_copy(update=changes) == demo


def test_a_policy_in_another_market_than_its_cards_is_said() -> None:
    assert find_agents_out_of_card(read_config(None)) == []
    config = parse_config(demo_text().replace(BBB, BBB.replace("ibm", "ibm-santa-fe")), "desk.toml")
    [(agent, text)] = find_agents_out_of_card(config)
    assert agent == "default"
    assert "BBB is ibm-santa-fe" in text


AT_A_VENUE = """
[desk]
venue = "fix://127.0.0.1:1"
[[instrument]]
name = "AAPL"
{market}
[[agent]]
name = "learned"
strategy = "packaged:default"
[[agent]]
name = "schedule"
strategy = "vwap_take"
[[agent]]
name = "even"
strategy = "twap_take"
"""


def test_at_a_venue_a_market_that_nobody_named_is_said_to_be_assumed() -> None:
    config = parse_config(AT_A_VENUE.format(market=""), "desk.toml")
    assert "AAPL as in csco-santa-fe" in assumed_markets_warning(config)
    [(agent, text)] = find_agents_out_of_card(config)
    assert (agent, "AAPL is at fix://127.0.0.1:1" in text) == ("learned", True)
    named = parse_config(AT_A_VENUE.format(market='market = "ibm"'), "desk.toml")
    assert (assumed_markets_warning(named), find_agents_out_of_card(named)) == ("", [])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"desk": 5}, "desk: a table"),
        ({"data": 3}, "data: a table"),
        ({"scenario.news": 0.5, "instrument": [{"name": "A"}]}, "scenario.instrument"),
    ],
)
def test_a_setting_of_the_packaged_desk_is_obeyed_or_refused(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read_config_and_text(None, settings)


def test_the_demo_works_the_policy_that_ships_in_its_market_under_limits_of_its_own() -> None:
    demo = read_config(None)
    assert demo.agent[0].strategy == "packaged:default"
    assert {one.market for one in demo.instrument} == {Market("ibm")}
    assert demo.model_dump()["instrument"][0]["market"] == "ibm", "written as it was read"
    with pytest.raises(ConfigError, match="name of a preset market"):
        parse_config(demo_text().replace('market = "ibm"', "market = 3"), "desk.toml")
    card = read_card(packaged_policies.folder_of(packaged_policies.DEFAULT) / "card.json").limits
    assert (demo.desk.round_s, demo.desk.decision_s) == (card["horizon_s"], card["decision_s"])
    floor, most = (
        demo.loop.expert_weights.floor,
        1.0 - (len(demo.agent) - 1) * demo.loop.expert_weights.floor,
    )
    assert (
        card["share"][0]
        <= demo.order_arrivals.share * floor
        <= demo.order_arrivals.share * most
        <= card["share"][1]
    )
    limits = limits_of(demo)
    assert (limits.of_agent("peg").long_lots, limits.of_agent("peg").executions) == (
        1_500_000,
        5000,
    )
    free = demo_text().replace(
        '"agents.*.long_lots"', '"desk.person_accepts" = false\n"agents.*.long_lots"'
    )
    assert not limits_of(parse_config(free, "desk.toml")).desk.person_accepts
    for path in ("agents.*.long_lot", "agents.long_lots", "desk.order_lots.x"):
        with pytest.raises(ConfigError, match=r"limits.changed"):
            limits_of(
                parse_config(demo_text().replace('"agents.*.long_lots"', f'"{path}"'), "desk.toml")
            )


def test_a_clock_of_events_that_would_send_more_than_its_limit_is_refused_before_anything_runs() -> (
    None
):
    text = demo_text()
    check_config(parse_config(text, "desk.toml"))
    slow = text.replace('"agents.*.long_lots"', '"agents.*.messages" = 11\n"agents.*.long_lots"')
    with pytest.raises(ConfigError, match="at most 11 messages in 1000 ms") as refused:
        check_config(parse_config(slow, "desk.toml"))
    assert "may send 12 of one order, a look every 1 s" in str(refused.value)
    check_config(parse_config(slow.replace("= 11", "= 12"), "desk.toml"))
    no_clock = slow.replace('"packaged:default"', '"twap_take"').replace(
        '"guarded"', '"score_rule"'
    )
    check_config(parse_config(no_clock, "desk.toml"))


def test_an_agent_saves_on_the_others_of_its_round_alone() -> None:
    """By hand: three rounds of two or three agents, one parent without a fill, one agent alone in the third."""
    costs = {
        "A-0": {"x": 1.0, "y": 3.0, "z": 5.0},
        "A-1": {"x": 2.0, "y": 3.0, "z": None},
        "A-2": {"x": 9.0},
    }
    costs |= {"A-3": {"x": 1.0, "y": 3.0}}
    rows = [
        ParentOutcome(
            id=f"{at}-{agent}",
            instrument="A",
            agent=agent,
            status="done",
            alpha_bps=None,
            posture=None,
            side=1,
            quantity=1,
            filled=1,
            is_bps=cost,
            notional=1e4,
        )
        for at, cells in costs.items()
        for agent, cost in cells.items()
    ]
    mean, half = savings(rows, "x")
    assert (mean, half) == (2.0, pytest.approx(4.302653 / math.sqrt(3), rel=1e-6))
    assert savings(rows[-1:], "x") == (None, None)
    assert total_cost(rows) == pytest.approx(27.0)


def test_what_is_saved_in_money_weighs_large_orders_and_says_how_sure_it_is() -> None:
    few = SavingOnPaper.of("twap_take", [PaperSaving(10.0, 1e6), PaperSaving(-10.0, 3e6)])
    assert (few.saved_bps, few.saved, few.half, few.is_sure) == (-5.0, -2000.0, None, False)
    assert saving_sentence("a", [few], "USD") == (
        "On paper, in the same 2 orders worth 4,000,000 USD, a cost 2,000 USD more than twap_take (too few orders to say)."
    )
    sure = SavingOnPaper.of("pov+posture", [PaperSaving(bps, 1e6) for bps in (5.0, 6.0, 7.0)])
    assert sure.is_sure
    assert sure.half == pytest.approx(sure.half_bps * 3e6 / 1e4)
    assert "a saved 1,800 USD on pov (sure: 1,055 to 2,545 USD)" in saving_sentence(
        "a", [sure], "USD"
    )
    assert saving_sentence("a", [few, sure], "USD") == (
        "On paper, in the same 3 orders worth 3,000,000 USD, a cost 2,000 USD more than twap_take (too few orders to say, "
        "over 2 orders), saved 1,800 USD on pov (sure: 1,055 to 2,545 USD)."
    ), "one that failed on paper was compared in fewer orders"
    open_ = SavingOnPaper.of("pov", [PaperSaving(bps, 1e6) for bps in (-5.0, 6.0, 7.0)])
    assert how_sure(open_) == "may be chance"


def test_the_forecaster_of_a_desk_is_that_of_every_strategy_that_uses_one(tmp_path: Path) -> None:
    slopes = {str(h): {"slope": 1.0, "speaks": True} for h in HORIZONS}
    card = {**shipped_forecaster().card, TABLE: {"AAA": {"days": [], WAITING: 0.25, **slopes}}}
    ours = save(tmp_path / "ours", replace(shipped_forecaster(), card=card))
    text = demo_text().replace('# flow = "off"', f'flow = "{tmp_path / "ours"}"')
    config = parse_config(text, "desk.toml")
    slots = [
        slot_of(one, estimates_by_instrument(config), config.signals.flow) for one in config.agent
    ]
    told = [forecaster_of(slot.strategy) for slot in slots]
    assert [one and one.id for one in told] == [ours.id, None, None]
    assert told[0] is not None
    assert [told[0].of(name).waiting for name in ("AAA", "BBB")] == [0.25, told[0].waiting]
    with pytest.raises(TercelError, match="nowhere"):
        check_config(
            parse_config(demo_text().replace('# flow = "off"', 'flow = "nowhere"'), "desk.toml")
        )

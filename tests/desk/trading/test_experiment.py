"""An experiment's journal: draws that nothing foretells, an analysis that equals the textbook, people and accidents."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tercel.core.ports import Entry
from tercel.core.vocabulary import DAY_NS, NO_ASK, NO_BID
from tercel.desk.trading.experiment import (
    Covariates,
    ExperimentEntry,
    ExperimentRecord,
    ExperimentTerms,
    covariates_of,
    draw_arm,
    fold_experiment,
    uniform_draw,
)
from tercel.desk.trading.experiment_analysis import (
    analyse_experiment,
    analyse_savings,
    order_weight,
)
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry

MINUTE_NS = 60 * 10**9


@dataclass
class Journal:
    """A journal of one experiment, written as a desk writes it."""

    unit: str = "order"
    arms: tuple[str, ...] = ("rest", "take")
    seed: int = 1
    shares: tuple[float, ...] = ()
    records: dict[str, ExperimentRecord] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        terms = ExperimentTerms(
            list(self.arms), dict(zip(self.arms, self.arms, strict=True)), self.unit, ["symbol"], self.seed, 500, ["AAA", "BBB"]
        )  # fmt: skip
        equal = (1 / len(self.arms),) * len(self.arms)
        shares = dict(zip(self.arms, self.shares or equal, strict=True))
        self.event(0, "began", terms=terms, shares=shares)

    def write(self, entry: Entry) -> None:
        entry = replace(entry, body=json.loads(json.dumps(entry.body, sort_keys=True)))
        self.entries.append(entry)
        fold_experiment(self.records, entry)

    def event(self, ns: int, event: str, **words: object) -> None:
        body = ExperimentEntry(event=event, name="e", **words).json()
        self.write(Entry(kinds.EXPERIMENT, ns, agent="ann", body=body))

    @property
    def record(self) -> ExperimentRecord:
        return self.records["e"]

    def accept(self, name: str, ns: int, symbol: str = "AAA", **known: object) -> str:
        draw = draw_arm(
            self.record, name, symbol, ns, Covariates(**{"side": 1, "lots": 10} | known)
        )
        body = ParentEntry(
            "accepted", side=1, lots=10, horizon_ns=MINUTE_NS, decisions=5, strategy=draw.arm, experiment=draw.json()
        )  # fmt: skip
        self.write(Entry(kinds.PARENT, ns, symbol, "ann", name, body=body.json()))
        return draw.arm

    def finish(
        self, name: str, ns: int, bps: float | None, event: str = "done", **words: object
    ) -> None:
        self.write(Entry(kinds.PARENT, ns, "AAA", "ann", name, body=ParentEntry(event).json()))
        cost = {
            "is_bps": bps,
            "filled": 10 if bps is not None else 0,
            "unfilled": 0,
            "notional": 1000.0,
        }
        self.write(Entry(kinds.FEEDBACK, ns, "AAA", "ann", name, body=cost | words))

    def trade(self, costs: dict[str, list[float]], per_day: int = 20) -> None:
        """An order after the other, each at the cost of the arm that it drew."""
        for n in range(len(costs[self.arms[0]])):
            ns = n // per_day * DAY_NS + n % per_day * 2 * MINUTE_NS
            spread = 1.0 + n % 7
            arm = self.accept(f"p{n}", ns, "AAA" if n % 3 else "BBB", spread_bps=spread)
            self.finish(f"p{n}", ns + MINUTE_NS, costs[arm][n])


def costs_of(n: int, saving: float = 0.0, seed: int = 3) -> dict[str, list[float]]:
    """Costs of n orders under each arm; the second saves, on the same orders."""
    rest = np.random.default_rng(seed).normal(5, 10, n)
    return {"rest": rest.tolist(), "take": (rest - saving).tolist()}


def test_the_saving_is_the_mean_weighted_by_inverse_chances() -> None:
    """Textbook: sum of cost / chance over the baseline's orders less that over the arm's, of costs less their predictions."""
    journal = Journal()
    journal.trade(costs := costs_of(200, 4.0))
    orders = list(journal.record.orders.values())
    drawn = np.array([order.draw.arm == "take" for order in orders])
    paid = np.array([costs["take" if one else "rest"][n] for n, one in enumerate(drawn)])
    left = paid - [order.expected for order in orders]
    textbook = (left[~drawn].sum() - left[drawn].sum()) / 0.5 / 200
    saving = analyse_experiment(journal.record).savings[0]
    assert saving.saved_bps == pytest.approx(textbook)
    assert saving.low_bps < 4.0 < saving.high_bps
    assert {order_weight(order, "take", "rest") for order in orders} == {2.0, -2.0}


def test_a_prediction_knows_no_later_cost() -> None:
    """Costs of the last half changed: no order of the first half is predicted otherwise."""
    costs = costs_of(120)
    changed = {arm: [*values[:60], *(99.0 for _ in values[60:])] for arm, values in costs.items()}
    one, two = Journal(), Journal()
    one.trade(costs)
    two.trade(changed)
    predicted = [[order.expected for order in j.record.orders.values()] for j in (one, two)]
    assert predicted[0][:61] == predicted[1][:61]
    assert predicted[0][62:] != predicted[1][62:]


def test_an_order_counts_once_those_before_it_do() -> None:
    """A fast arm's orders would else be counted before a slow one's of the same time."""
    journal = Journal()
    journal.accept("slow", 0)
    journal.accept("fast", 1)
    journal.finish("fast", 2, 1.0)
    assert analyse_experiment(journal.record).orders == 0
    journal.finish("slow", 3, 1.0)
    assert analyse_experiment(journal.record).orders == 2
    journal.accept("lost", 4)  # it is never over: an hour after its horizon it holds nothing up
    journal.accept("late", 5)
    journal.finish("late", 6, 1.0)
    assert analyse_experiment(journal.record).orders == 2
    amended = ParentEntry("amended", horizon_ns=30 * MINUTE_NS, reason="more time")
    journal.write(Entry(kinds.PARENT, 7, "AAA", "ann", "lost", body=amended.json()))
    for minutes, orders in ((62, 3), (91, 5)):
        journal.accept(f"at {minutes}", minutes * MINUTE_NS)
        journal.finish(f"at {minutes}", minutes * MINUTE_NS + 1, 1.0)
        assert analyse_experiment(journal.record).orders == (2 if minutes == 62 else orders)


def test_draws_are_fair_and_say_nothing_of_each_other() -> None:
    """All that a strategy sees of the past: earlier draws, sides, times. A guess of the next draw is right half the time."""
    draws = np.array([uniform_draw(1, "e", f"p{n}") < 0.5 for n in range(20_000)])
    assert abs(draws.mean() - 0.5) < 3 * 0.5 / 20_000**0.5
    seen: dict[tuple[bool, ...], list[bool]] = {}
    right = 0
    for n in range(8, len(draws)):  # the best guess after what followed the same eight draws so far
        past = seen.setdefault((*draws[n - 8 : n].tolist(), bool(n % 2)), [])
        right += (2 * sum(past) >= len(past)) == bool(draws[n])
        past.append(bool(draws[n]))
    assert abs(right / (len(draws) - 8) - 0.5) < 3 * 0.5 / 20_000**0.5


@pytest.mark.parametrize(("unit", "drawn"), [("order", 400), ("symbol", 40), ("day", 20)])
def test_a_unit_draws_once(unit: str, drawn: int) -> None:
    journal = Journal(unit)
    journal.trade(costs_of(400))
    assert len(journal.record.draws) == drawn
    by_unit: dict[str, set[str]] = {}
    for order in journal.record.orders.values():
        by_unit.setdefault(order.draw.unit, set()).add(order.draw.arm)
    assert {len(arms) for arms in by_unit.values()} == {1}
    report = analyse_experiment(journal.record)
    assert report.orders == 400
    assert report.imbalances == []


def test_shares_that_change_keep_the_chances_of_each_order() -> None:
    journal = Journal()
    costs = costs_of(400, 6.0)
    for n in range(400):
        if n == 200:
            journal.event(
                n * MINUTE_NS, "shares", shares={"rest": 0.8, "take": 0.2}, by="ann", reason="dear"
            )
        arm = journal.accept(f"p{n}", n * MINUTE_NS)
        journal.finish(f"p{n}", n * MINUTE_NS + 1, costs[arm][n])
    weights = {
        round(order_weight(order, "take", "rest"), 6) for order in journal.record.orders.values()
    }
    assert weights == {2.0, -2.0, 1.25, -5.0}
    report = analyse_experiment(journal.record)
    assert report.imbalances == []
    assert report.savings[0].low_bps < 6.0 < report.savings[0].high_bps


def test_a_stopped_arm_is_compared_on_the_orders_before() -> None:
    journal = Journal(arms=("rest", "take", "peg"))
    for n in range(300):
        if n == 150:
            journal.event(
                n * MINUTE_NS,
                "arm_stopped",
                arm="peg",
                shares={"rest": 0.5, "take": 0.5},
                reason="dear",
            )
        journal.accept(f"p{n}", n * MINUTE_NS)
        journal.finish(f"p{n}", n * MINUTE_NS + 1, float(n % 5))
    drawn = [order.draw.arm for order in journal.record.orders.values()]
    assert "peg" in drawn[:150]
    assert "peg" not in drawn[150:]
    report = analyse_experiment(journal.record)
    take, peg = report.savings
    assert (peg.arm, peg.orders) == ("peg", sum(arm in ("rest", "peg") for arm in drawn[:150]))
    assert take.orders == sum(arm in ("rest", "take") for arm in drawn)
    assert take.adjusted_p >= take.p
    assert report.arms[2].stopped == "dear"


def test_accidents_count_in_the_arm_that_was_drawn() -> None:
    """Cancelled before the first order, without a fill, taken over, fallen back, a clock that steps back, a bust."""
    journal = Journal()
    journal.trade(costs_of(60))
    late = 5 * DAY_NS
    names = ("cancelled", "unfilled", "mine", "raised")
    arms = {name: journal.accept(name, late) for name in names}
    journal.finish("cancelled", late + 1, None, "cancelled")
    journal.finish("unfilled", late + 1, None, "expired", unfilled=10, opportunity_bps=7.0)
    for name, event in (("mine", "taken_over"), ("raised", "fallback")):
        journal.write(Entry(kinds.PARENT, late, "AAA", "ann", name, body=ParentEntry(event).json()))
        journal.finish(name, late + 1, 2.0)
    journal.accept("back", late - DAY_NS)
    journal.finish("back", late - DAY_NS + 1, 3.0)
    journal.write(
        Entry(kinds.TCA, late, "AAA", "ann", "back", body={"is_bps": 9.0, "filled": 4, "unfilled": 6, "opportunity_bps": 4.0})
    )  # fmt: skip
    costs = {name: order.cost_bps for name, order in journal.record.orders.items()}
    assert [costs[name] for name in (*names, "back")] == [None, 7.0, 2.0, 2.0, 6.0]
    report = analyse_experiment(journal.record)
    figures = {arm.arm: arm for arm in report.arms}
    assert report.orders == 64
    assert figures[arms["cancelled"]].uncosted == 1
    assert figures[arms["mine"]].by_hand == 1
    assert figures[arms["raised"]].fell_back == 1
    assert report.savings[0].without_hands_bps is not None
    journal.event(late, "ended", by="ann", reason="enough")
    assert (
        analyse_experiment(journal.record).status
        == "ended by ann (enough); later orders go to the agent's own strategy"
    )


def test_assignment_that_is_not_the_drawn_one_is_found() -> None:
    """Someone who lets an arm have the small orders, or more of them, is told of."""
    journal = Journal()
    for n in range(600):
        draw = draw_arm(
            journal.record, f"p{n}", "AAA", n * MINUTE_NS, Covariates(1, 0, 10 + 90 * (n % 2))
        )
        draw.arm = "take" if n % 2 == 0 or n % 5 == 0 else "rest"
        body = ParentEntry(
            "accepted", side=1, lots=10, horizon_ns=1, decisions=5, experiment=draw.json()
        )
        journal.write(Entry(kinds.PARENT, n * MINUTE_NS, "AAA", "ann", f"p{n}", body=body.json()))
        journal.finish(f"p{n}", n * MINUTE_NS + 1, float(n % 3))
    assert analyse_experiment(journal.record).imbalances == [
        "the shares of assignment",
        "lots of take",
    ]


def test_the_same_journal_gives_the_same_digits_on_other_processors() -> None:
    """Linear algebra of another processor's code, and numpy without this one's instructions."""
    program = (
        "import json; from tests.desk.trading.test_experiment import Journal, costs_of, analyse_experiment;"
        "j = Journal(); j.trade(costs_of(300, 2.0)); print(json.dumps(analyse_experiment(j.record).to_json()))"
    )
    journal = Journal()
    journal.trade(costs_of(300, 2.0))
    here = json.dumps(analyse_experiment(journal.record).to_json())
    other = {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=os.environ | other, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.strip() == here


def test_what_is_known_at_arrival() -> None:
    found = covariates_of(-1, 50, DAY_NS + 9 * 3600 * 10**9, (99.0, 101.0), 2.0, 1000.0, 3.0)
    assert (found.hour, found.spread_bps, found.sd_bps, found.share) == (9, 200.0, 200.0, 0.05)
    assert found.forecast_bps == -3.0
    assert found.estimate_bps == pytest.approx(100 + 200 * 0.05**0.5)
    one_sided = ((NO_BID, 101.0), (99.0, NO_ASK), (NO_BID, NO_ASK), (101.0, 99.0), (-5.0, -4.0))
    for touch in (None, *one_sided):
        nothing = covariates_of(1, 50, 0, touch, 2.0, 0.0, None)
        assert (nothing.spread_bps, nothing.share, nothing.estimate_bps) == (None, None, None)
    assert covariates_of(1, 50, 0, (100.0, 100.0), 2.0, 0.0, None).spread_bps == 0.0
    journal = Journal()
    for name, spread in (("poisoned", -20_000.0), ("locked", 0.0)):  # by an earlier desk
        journal.accept(name, 0, spread_bps=spread)
        journal.finish(name, 1, 1.0)
    assert analyse_experiment(journal.record).orders == 2


@pytest.mark.long
def test_equal_arms_of_which_one_is_drawn_seldom_are_seldom_called_different() -> None:
    """Baskets at the open at costs that rise day by day: most orders come before the first of the rare arm is known."""
    called = 0
    for seed in range(60):
        journal, rng = Journal(seed=seed, shares=(0.95, 0.05)), np.random.default_rng(seed)
        for day in range(30):
            for number in range(40):
                journal.accept(f"{day}-{number}", day * DAY_NS + number)
            for number, bps in enumerate(rng.normal(10 + 2 * day, 5, 40).tolist()):
                journal.finish(f"{day}-{number}", day * DAY_NS + MINUTE_NS + number, bps)
        called += analyse_savings(journal.record, journal.record.known_orders)[0].is_decided
    assert called <= 6  # 5 % of 60, and two standard errors


def test_a_unit_whose_arm_was_stopped_draws_anew() -> None:
    """The number that fell into the stopped arm's part would always fall into the same one of the others."""
    drawn = []
    for seed in range(200):
        journal = Journal("day", arms=("rest", "take", "peg"), seed=seed)
        if journal.accept("first", 0) == "peg":
            journal.event(
                1, "arm_stopped", arm="peg", shares={"rest": 0.5, "take": 0.5}, reason="x"
            )
            drawn.append(journal.accept("second", 2))
            assert journal.accept("third", 3) == drawn[-1]
    assert len(drawn) > 40
    assert 0.25 < drawn.count("take") / len(drawn) < 0.75


def test_interval_and_verdict_are_of_all_looks() -> None:
    journal = Journal()
    journal.trade(costs_of(400, 5.0))
    saving = analyse_experiment(journal.record).savings[0]
    assert saving.low_bps == max(low for _, _, low, _ in saving.path)
    assert saving.high_bps == min(high for *_, high in saving.path)
    assert (saving.verdict, saving.low_bps > 0) == ("better", True)

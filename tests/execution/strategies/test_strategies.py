"""Every written strategy passes the kit and does what its name says."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from tests.execution.test_identity import small_network
from tests.execution.test_own import Patient, PegBehind, twap

from certify.kits.strategy import StrategyConformance, random_views
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution import columns as c, decoders, intent as i
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.policies_packaged import build_named
from tercel.execution.probe_views import HORIZON_NS, view_of
from tercel.execution.strategies import WRITTEN, MarketEstimates, build, eta_of_depth
from tercel.execution.strategies.almgren_chriss import AlmgrenChrissAlpha, Parameters
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.baselines import (
    LAST,
    ImbalancePeg,
    Immediate,
    Peg,
    SubmitAndLeave,
    TwapTake,
    shares_done,
)
from tercel.execution.strategies.cartea_jaimungal import CarteaJaimungal
from tercel.execution.strategies.posture_cap import PostureCap
from tercel.execution.strategies.timed_takes import SpreadRule, TakeTimed
from tercel.execution.strategy import Strategy, shares
from tercel.execution.user_strategy import wrap_strategy
from tercel.execution.view import View

ESTIMATES = MarketEstimates(
    1000.0, (1000.0, 600.0, 400.0, 250.0, 0.0), sigma=0.5, eta=0.2, spread=2.0
)


SCHEDULE = Parameters(sigma=0.08, eta=0.5, gamma=0.001, urgency=0.7)
MORE: dict[str, Callable[[], object]] = {
    "almgren_chriss_alpha": lambda: AlmgrenChrissAlpha(SCHEDULE),
    "cartea_jaimungal that leaves a rest": lambda: CarteaJaimungal(SCHEDULE, rest_s=45.0),
    "tilted taker": lambda: AlphaTilt(TwapTake(), strength=2.0, ticks_a_rung=np.inf),
    "tilted rester": lambda: AlphaTilt(Peg(), ticks_a_rung=1.0),
    "capped taker": lambda: PostureCap(Immediate()),
    "capped rester": lambda: PostureCap(AlphaTilt(SubmitAndLeave(level=-1))),
    "spread_rule": SpreadRule,
    "take_timed": TakeTimed,
    "twap_repeg+events": lambda: build("twap_repeg+events"),
    "default+alpha+posture": lambda: build_named("default+alpha+posture"),
    "a policy": lambda: PolicyStrategy("ppo", small_network(0, 8)),
    "a policy of levels": lambda: PolicyStrategy("dqn", small_network(0, 6, "q"), "level"),
    "a function of the user's": lambda: twap,
    "an object of the user's": PegBehind,
    "an object with a memory": Patient,
}
"""Beside those that are known by a name: layers, policies, a user's own."""


@pytest.mark.parametrize("name", [*WRITTEN, *MORE])
class TestEveryStrategy(StrategyConformance):
    """All of them, one after the other."""

    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self.name = name

    def strategy(self) -> object:
        return MORE[self.name]() if self.name in MORE else build(self.name, ESTIMATES)

    def test_carries_its_name(self) -> None:
        assert self.name in MORE or wrap_strategy(self.strategy()).name == self.name


def at(decision: int, left: int, decisions: int = 10, qty0: int = 100, **more: int) -> View:
    """One market on a uniform grid of decisions."""
    time_left = HORIZON_NS * (decisions - decision) // decisions
    return view_of(
        qty0=qty0, left=left, decision=decision, decisions=decisions, time_left_ns=time_left, **more
    )


def takes(
    strategy: Strategy, qty0: int, decisions: int, v_seen: list[int] | None = None
) -> list[int]:
    """Lots taken at each decision when every take fills at once."""
    left, lots = qty0, []
    for k in range(decisions):
        seen = v_seen[k] if v_seen else 0
        lots.append(int(strategy.decide(at(k, left, decisions, qty0, v_seen=seen))[0, i.TAKE]))
        left -= lots[-1]
    return lots


def test_random_draws_each_action_alike() -> None:
    draw = (np.arange(8) + 0.5) / 8
    view = view_of(draw, left=90)
    strategy = build("random")
    np.testing.assert_array_equal(
        strategy.decide(view), decoders.decode_placement(np.arange(8), view)
    )
    mean = shares(decoders.decode_placement(np.arange(8), view), view).mean(axis=0)
    np.testing.assert_allclose(strategy.expected(view), np.broadcast_to(mean, (8, 6)))


@pytest.mark.parametrize(("qty0", "decisions"), [(100, 10), (7, 10), (103, 7), (1, 3), (10**8, 30)])
def test_twap_is_never_half_a_lot_off_its_schedule(qty0: int, decisions: int) -> None:
    done = np.cumsum(takes(build("twap_take"), qty0, decisions))
    ideal = qty0 * np.arange(1, decisions + 1) / decisions
    assert (np.abs(done - ideal) <= 0.5).all()
    assert done[-1] == qty0


def test_twap_passive_crosses_arrears_and_rests_the_slice() -> None:
    strategy = build("twap_passive")
    expected = {  # (decision, left) -> (take, at touch)
        (0, 100): (0, 10),
        (1, 100): (10, 10),
        (1, 93): (3, 10),
        (1, 90): (0, 10),
        (1, 85): (0, 5),
        (1, 70): (0, 0),
        (9, 14): (4, 10),
    }
    for (decision, left), (take, rest) in expected.items():
        row = strategy.decide(at(decision, left))[0]
        assert (row[i.TAKE], row[i.REST0 + i.AT_TOUCH], row[i.REST0 :].sum()) == (take, rest, rest)


def test_vwap_share_is_volume_seen_over_all_volume() -> None:
    # A quarter through the horizon the curve expects 600 lots more, at the next of four decisions 400.
    due, target = shares_done(at(1, 100, 4, v_seen=200), ESTIMATES)
    np.testing.assert_allclose(due, 200 / (200 + 600))
    np.testing.assert_allclose(target, (200 + 200) / (200 + 600))


@pytest.mark.parametrize(
    ("name", "parameters", "seen", "lots"),
    [
        ("immediate", {}, [0, 0, 0], [100, 0, 0]),
        # as expected, staying away, hurrying
        ("vwap_take", {}, [0, 400, 600, 750], [40, 20, 15, 25]),
        ("vwap_take", {}, [0, 0, 0, 0], [40, 0, 0, 60]),
        ("vwap_take", {}, [0, 3600, 3600, 3600], [40, 50, 4, 6]),
        ("pov", {}, [0, 300, 300, 800], [0, 30, 0, 50]),
        ("pov", {}, [0, 900, 2000, 3000], [0, 90, 10, 0]),
        ("pov", {"rate": 0.2}, [0, 300, 300, 300], [0, 60, 0, 0]),
    ],
)
def test_lots_taken_follow_the_volume_seen(
    name: str, parameters: dict[str, float], seen: list[int], lots: list[int]
) -> None:
    assert takes(build(name, ESTIMATES, parameters), 100, len(seen), seen) == lots


def test_vwap_passive_crosses_what_the_volume_left_behind() -> None:
    row = build("vwap_passive", ESTIMATES).decide(at(1, 90, 4, v_seen=200))[0]
    assert row[i.TAKE] == 25 - 10
    assert row[i.REST0 + i.AT_TOUCH] == 50 - 25


def test_submit_and_leave_places_once_and_holds() -> None:
    strategy = build("submit_and_leave", parameters={"level": 1})
    assert strategy.decide(at(0, 100))[0, i.REST0 :].tolist() == [0, 0, 100, 0, 0]
    later = strategy.decide(at(3, 80, live=80, rest0=10, outside_lots=70))[0]
    assert later[i.OUTSIDE] == i.KEEP
    assert later[i.REST0 :].tolist() == [10, 0, 0, 0, 0]


def test_submit_and_leave_places_after_a_halt_at_arrival() -> None:
    strategy = build("submit_and_leave")
    assert strategy.decide(at(0, 100, halted=1))[0, i.REST0 :].sum() == 0
    assert strategy.decide(at(1, 100))[0, i.REST0 + i.AT_TOUCH] == 100


@pytest.mark.parametrize(
    "name", ["twap_take", "twap_passive", "almgren_chriss", "immediate", "submit_and_leave"]
)
def test_fixed_schedules_do_not_depend_on_the_market(name: str) -> None:
    """Their adaptability is 0: (take, rungs) stay the same under any other market's open state."""
    view, other = random_views(100, 1), random_views(100, 2)
    rows = view.tradable & other.tradable
    strategy = build(name, ESTIMATES)
    mixed = View(view.x, other.m, view.draw)
    np.testing.assert_array_equal(strategy.expected(view)[rows], strategy.expected(mixed)[rows])


def test_own_schedule_finishes_at_the_last_decision() -> None:
    view = random_views(500, 3)
    view.x[:, c.DECISION] = view.x[:, c.DECISIONS] - 1
    for name in ("twap_take", "vwap_take", "almgren_chriss", "immediate"):
        taken = build(name, ESTIMATES).decide(view)[:, i.TAKE]
        np.testing.assert_array_equal(taken[view.tradable], view.left[view.tradable])


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: build("twap_pasive"), "twap_passive"),
        (lambda: build("vwap_take"), "estimates"),
        (lambda: build("vwap_cross"), "estimates"),
        (lambda: build("pov_passive"), "estimates"),
        (lambda: build("submit_and_leave", parameters={"lvl": 1}), "lvl"),
        (lambda: build("pov", ESTIMATES, {"rate": float("nan")}), "rate above 0"),
        (lambda: build("submit_and_leave", parameters={"level": 4}), "-1 to 3"),
        (lambda: MarketEstimates(1.0, sigma=-1.0), "sigma"),
        *(
            (partial(MarketEstimates, 1.0, curve), "volume curve")
            for curve in ([1.0], [1.0, 2.0, 0.0], [2.0, 1.0], [np.nan, 0.0], [[1.0], [0.0]])
        ),
    ],
)
def test_what_no_strategy_can_be_made_of_is_named(made: Callable[[], object], told: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        made()


def test_eta_reproduces_the_cost_of_walking_a_flat_book() -> None:
    # 1,000 lots through levels of 10 lots pay on average 49.5 ticks, 50 in the continuous limit.
    tau, n = 60.0, 1000
    walk = np.mean(np.arange(n) // 10)
    assert eta_of_depth([10] * 5, tau) * n / tau == pytest.approx(walk, rel=0.02)


# -- `imbalance_peg`, counted by hand ---------------------------------------------------------------------------------


def pegged(decision, decisions=20, **queues):
    """Lots taken, at the touch and a tick behind it, of an order with 90 lots left."""
    left_ns = HORIZON_NS * (decisions - decision) // decisions
    view = view_of(left=90, decision=decision, decisions=decisions, time_left_ns=left_ns, **queues)
    told = ImbalancePeg().decide(view)
    assert (told[:, [i.REST0 + i.IMPROVE, i.REST0 + 3, i.REST0 + 4]] == 0).all()
    return told[:, [i.TAKE, i.REST0 + i.AT_TOUCH, i.REST0 + i.AT_TOUCH + 1]].tolist()


PEG_TOUCH, PEG_BEHIND, PEG_TAKEN = [0, 90, 0], [0, 0, 90], [90, 0, 0]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("decision", [0, 7, 13])
def test_the_longer_queue_on_the_own_side_brings_it_to_the_touch(side, decision):
    queues = {"own1": [300, 300, 300, 0], "far1": [299, 300, 301, 0], "own2": 9000, "far2": 1}
    far = {"side": side, "touch": 1000, "far": 1000 + 2 * side, "mid2": 2000 + 2 * side}
    assert pegged(decision, **queues, **far) == [PEG_TOUCH, PEG_BEHIND, PEG_BEHIND, PEG_BEHIND]


def test_the_last_six_decisions_stand_at_the_touch_and_the_last_takes():
    told = [pegged(decision, own1=1, far1=1000)[0] for decision in range(20)]
    assert told == [PEG_BEHIND] * (20 - LAST) + [PEG_TOUCH] * (LAST - 1) + [PEG_TAKEN]
    assert LAST == 6


@pytest.mark.parametrize("decisions", [1, 2, 6])
def test_an_order_of_few_decisions_never_stands_behind(decisions):
    told = [pegged(decision, decisions, own1=1, far1=1000)[0] for decision in range(decisions)]
    assert told == [PEG_TOUCH] * (decisions - 1) + [PEG_TAKEN]

"""Action sets: what each action means, lots conserved, the compiled decoder equal to the plain one; rules moved and guarded."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from certify.kits.strategy import random_views, wanted_lots
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution import columns as c, decoders, intent as i, residual
from tercel.execution.action_sets import action_set
from tercel.execution.catch_up import CatchUp
from tercel.execution.cost_observation import half_spread, is_known, observe_costs
from tercel.execution.cost_scores import CostDecoder
from tercel.execution.decoder_kernels import ROUNDING_PARTS, placement_rows
from tercel.execution.intent import REST0, TAKE
from tercel.execution.observation import observer
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.policies_packaged import build_named
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import MarketEstimates, build
from tercel.execution.strategy import expected_shares, finish_intents, hold, ladder, shares
from tercel.execution.view import View
from tercel.lab.learning.agent.config import parse
from tercel.lab.learning.agent.policy_parts import action_parameters

SEEDS = st.integers(0, 2**32 - 1)


def lots(intents: np.ndarray) -> list[list[int]]:
    """(take, rungs) of every row."""
    return list(intents[:, [i.TAKE, *range(i.REST0, i.WIDTH)]].tolist())


def test_placement_means_what_its_card_says() -> None:
    # left 90, nine decisions left: the slice is 10.
    view = view_of(left=[90] * 8, decision=1, live=7, rest3=7)
    assert lots(decoders.decode_placement(np.arange(8), view)) == [
        [0, 0, 0, 0, 7, 0],
        [0, 90, 0, 0, 0, 0],
        [0, 0, 90, 0, 0, 0],
        [0, 0, 0, 90, 0, 0],
        [0, 0, 0, 0, 0, 90],
        [3, 0, 87, 0, 0, 0],
        [5, 0, 85, 0, 0, 0],
        [10, 0, 80, 0, 0, 0],
    ]
    outside = decoders.decode_placement(np.arange(8), view)[:, i.OUTSIDE]
    assert outside.tolist() == [i.KEEP] + [i.CANCEL] * 7


def plain(actions: np.ndarray, view: View) -> np.ndarray:
    """The rules of `decoders` in NumPy, action by action."""
    intents = ladder(view)
    for action, rung in ((1, i.IMPROVE), (2, i.AT_TOUCH), (3, i.AT_TOUCH + 1), (4, i.AT_TOUCH + 3)):
        rows = actions == action
        intents[rows, i.REST0 + rung] = view.left[rows]
    slices = -(-view.left // view.decisions_left)
    for action, quarters in ((5, 1), (6, 2), (7, 4)):
        rows = actions == action
        intents[rows, i.TAKE] = -(-slices[rows] * quarters // 4)
        intents[rows, i.REST0 + i.AT_TOUCH] = view.left[rows] - intents[rows, i.TAKE]
    intents[actions == 0] = hold(view)[actions == 0]
    return finish_intents(intents, view)


@given(SEEDS)
@settings(deadline=None)
def test_placement_equals_the_plain_rules(seed: int) -> None:
    view = random_views(64, seed)
    actions = np.random.default_rng(seed).integers(0, 8, view.n)
    np.testing.assert_array_equal(decoders.decode_placement(actions, view), plain(actions, view))


def test_compiled_placement_holds_on_an_action_outside_the_set() -> None:
    view = view_of(left=[90, 90], live=7, rest3=7)
    out = np.empty((2, i.WIDTH), np.int32)
    placement_rows(np.array([-1, 8]), view.x, view.m, out)
    np.testing.assert_array_equal(out, hold(view))


@given(SEEDS, st.sampled_from(["fraction", "level", "placement", "sized"]))
def test_discrete_actions_conserve_lots_and_hold_in_halts(seed: int, name: str) -> None:
    view = random_views(50, seed)
    actions = np.random.default_rng(seed).integers(0, action_set(name).size, view.n)
    intents = action_set(name).decode(actions, view)
    assert (intents[:, i.TAKE] >= 0).all()
    assert (intents[:, i.REST0 :] >= 0).all()
    assert (wanted_lots(intents) <= view.left).all()
    np.testing.assert_array_equal(intents[~view.tradable], hold(view)[~view.tradable])


def test_fraction_takes_its_share_rounded_up() -> None:
    view = view_of(left=[90] * len(decoders.PERCENT))
    assert decoders.decode_fraction(np.arange(7), view)[:, i.TAKE].tolist() == [
        0,
        5,
        9,
        18,
        27,
        45,
        90,
    ]


def test_level_rests_all_that_is_left() -> None:
    intents = decoders.decode_level(np.arange(6), view_of(left=[90] * 6))
    assert intents[:, i.TAKE].tolist() == [0] * 6
    assert intents[:5, i.REST0 :].tolist() == (90 * np.eye(5, dtype=int)).tolist()
    assert intents[5, i.REST0 :].tolist() == [0] * 5


@given(SEEDS)
def test_allocation_is_within_a_lot_of_its_quota_and_loses_none(seed: int) -> None:
    view = random_views(50, seed)
    rng = np.random.default_rng(seed)
    powers = np.exp(rng.normal(0, 5, (view.n, decoders.ALLOCATION_SIZE)))
    weights = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    given_lots = decoders.largest_remainder(weights, view.left)
    np.testing.assert_array_equal(given_lots.sum(axis=1), view.left)
    assert (np.abs(given_lots - weights * view.left[:, None]) < 1 + 1e-6).all()
    intents = decoders.decode_allocation(weights, view)
    rows = view.tradable
    np.testing.assert_array_equal(np.array(lots(intents))[rows], given_lots[rows, :6])


def test_allocation_breaks_ties_to_the_first() -> None:
    assert decoders.largest_remainder(np.full((1, 7), 1 / 7), np.array([3])).tolist() == [
        [1, 1, 1, 0, 0, 0, 0]
    ]


@pytest.mark.parametrize(
    ("decode", "actions"),
    [
        *((decoders.decode_placement, actions) for actions in ([8], [-1], [0, 0])),
        *(
            (decoders.decode_allocation, [shares])
            for shares in ([0.0] * 7, [-1.0, 2, 0, 0, 0, 0, 0], [np.nan] * 7, [1.0] * 6)
        ),
    ],
)
def test_what_is_no_action_or_no_share_is_refused(
    decode: Callable[[np.ndarray, View], np.ndarray], actions: list[object]
) -> None:
    with pytest.raises(ConfigError, match="To go on"):
        decode(np.array(actions), view_of())


# -- actions around a rule --------------------------------------------------------------------------------------------


def test_a_lever_moves_its_parameter_in_its_own_scale():
    view = random_views(100, 1)
    actions = action_set(
        "levers", {"base": "score_rule", "levers": {"threshold": 2.0, "touch": 0.5}}
    )
    assert actions.labels == ("threshold", "touch")
    mine = actions.decode(np.tile([-0.7, 3.0], (100, 1)), view)
    plain = build("score_rule").vector
    from tercel.execution.strategies.score_rule import SCORE

    told = dict(zip(SCORE.names, plain.tolist(), strict=True))
    theirs = build(
        "score_rule", None, {"threshold": told["threshold"] - 1.4, "touch": told["touch"] + 1.5}
    )
    np.testing.assert_array_equal(mine, theirs.decide(view))
    assert (mine != build("score_rule").decide(view)).any()


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("levers", {"base": "scorerule"}, "score_rule"),
        ("levers", {"levers": {"tuch": 1.0}}, "try 'touch'"),
        ("levers", {"levers": {"touch": 0.0}}, "above 0"),
        ("levers", {"bas": "score_rule"}, "'bas'"),
        ("override", {"dead": 1.0}, "'dead'"),
        ("residual", {"bse": "peg_behind"}, "'bse'"),
        ("residual", {"dead": -1.0}, "band"),
        ("residual", {"scale": 0.0}, "scale"),
        ("placement", {"base": "peg_behind"}, "no parameters of placement"),
        ("residul", {}, "residual"),
    ],
)
def test_what_there_is_not_is_refused(name, wrong, told):
    with pytest.raises((ConfigError, UnknownNameError), match=told):
        action_set(name, wrong)


def test_sized_actions_do_what_they_say():
    view = view_of(left=[90] * 13, far1=40, rest1=60, rest2=10, live=70, decision=0, decisions=10)
    lots = decoders.decode_sized(np.arange(13), view)[:, [i.TAKE, *range(i.REST0, i.REST0 + i.K)]]
    assert lots.tolist() == [
        [0, 0, 60, 10, 0, 0],
        *([0] + [90 if j == rung else 0 for j in range(5)] for rung in range(5)),
        [0, 0, 23, 23, 22, 22],
        [0] * 6,
        [10, 0, 60, 10, 0, 0],
        [20, 0, 60, 10, 0, 0],
        [40, 0, 50, 0, 0, 0],
        [9, 0, 60, 10, 0, 0],
        [20, 0, 70, 0, 0, 0],
    ]
    assert (wanted_lots(decoders.decode_sized(np.arange(13), view)) <= 90).all()


@pytest.mark.parametrize("base", ["peg_behind", "twap_take", "score_rule"])
def test_the_first_override_is_the_rule_and_the_others_are_sized(base):
    actions = action_set("override", {"base": base})
    assert (actions.size, actions.continuous) == (14, False)
    for seed in range(3):
        view = random_views(140, seed)
        np.testing.assert_array_equal(
            actions.decode(np.zeros(140, np.int64), view), build(base).decide(view)
        )
        some = np.arange(140) % 14
        mine, theirs = (
            actions.decode(some, view),
            decoders.decode_sized(np.maximum(some - 1, 0), view),
        )
        np.testing.assert_array_equal(mine[some > 0], theirs[some > 0])
        np.testing.assert_array_equal(mine[some == 0], build(base).decide(view)[some == 0])
    with pytest.raises(ConfigError, match="0 to 13"):
        actions.decode(np.array([14]), view_of(left=[1]))


# -- residual actions -------------------------------------------------------------------------------------------------


BASES = ("peg_behind", "submit_and_leave", "twap_take", "twap_passive", "immediate")


def decode_of(base="peg_behind", **parameters):
    return action_set("residual", {"base": base, **parameters}).decode


@pytest.mark.parametrize("base", BASES)
def test_zero_is_the_rule_in_any_state(base):
    for seed in range(5):
        view = random_views(200, seed)
        np.testing.assert_array_equal(
            decode_of(base)(np.zeros((200, 7)), view), build(base).decide(view)
        )


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4.0))
def test_lots_add_up_and_takes_stay_within_what_is_displayed(seed, size):
    view = random_views(50, seed)
    actions = np.random.default_rng(seed).normal(size=(50, 7)) * size
    base = build("twap_take").decide(view)
    intents = decode_of("twap_take")(actions, view)
    assert (intents[:, i.TAKE] >= 0).all()
    assert (intents[:, i.REST0 :] >= 0).all()
    assert (wanted_lots(intents) <= view.left).all()
    assert (intents[:, i.TAKE] <= np.maximum(base[:, i.TAKE], view.far_depth[:, 0])).all()
    np.testing.assert_array_equal(intents[:, 1 : i.REST0], base[:, 1 : i.REST0])


def test_takes_are_counted_in_displayed_lots_beyond_a_dead_band():
    view = view_of(left=[100] * 4, far1=20)
    actions = np.zeros((4, 7))
    actions[:, 0] = 0.4, 1.0, 1.5, 9.0
    intents = decode_of()(actions, view)
    assert intents[:, i.TAKE].tolist() == [0, 10, 20, 20]
    assert intents[:, i.REST0 + 2].tolist() == [100, 90, 80, 80]
    assert decode_of(dead=0.0)(actions, view)[:, i.TAKE].tolist() == [8, 20, 20, 20]
    less = decode_of("twap_take")(-actions, view_of(left=[100] * 4, far1=20))
    assert less[:, i.TAKE].tolist() == [10, 0, 0, 0]


def test_weights_move_lots_between_places():
    view = view_of(left=[100, 100])
    actions = np.zeros((2, 7))
    actions[0, 1], actions[1, 6] = 2.0, -6.0
    touched = decode_of()(actions, view)[:, i.REST0 :]
    gained = residual.SEED_SHARE * (np.e**2 - 1)
    assert touched[0].tolist() == [
        round(100 * gained / (1 + gained)),
        0,
        100 - round(100 * gained / (1 + gained)),
        0,
        0,
    ]
    assert touched[1].tolist() == [0, 0, 100, 0, 0]


@pytest.mark.parametrize(
    ("actions", "told"),
    [(np.zeros((1, 6)), r"shape \(1, 7\)"), (np.full((1, 7), np.nan), "finite actions")],
)
def test_what_is_no_action_is_refused(actions, told):
    with pytest.raises(ConfigError, match=told):
        decode_of()(actions, view_of(left=[10]))


def test_a_base_gets_its_parameters_and_estimates():
    view = view_of(left=[90])
    assert decode_of(parameters={"level": 0})(np.zeros((1, 7)), view)[0, i.REST0 + 1] == 90
    estimates = {"expected_volume": 1000.0}
    rule = build("vwap_take", MarketEstimates(**estimates))
    np.testing.assert_array_equal(
        decode_of("vwap_take", estimates=estimates)(np.zeros((1, 7)), view), rule.decide(view)
    )


def test_a_scale_moves_weights_further_and_takes_not():
    view, said = random_views(40, 3), np.random.default_rng(5).normal(size=(40, 7))
    further, before = said * np.array([1.0] + [3.0] * 6), said.copy()
    scaled = decode_of("twap_passive", scale=3.0)(said, view)
    np.testing.assert_array_equal(scaled, decode_of("twap_passive")(further, view))
    np.testing.assert_array_equal(said, before)


def test_whole_grains_keep_crumbs_away():
    """Random weights at every decision: what rests differs from what stood by whole grains, or goes, or is new."""
    decode = decode_of("peg_touch", scale=3.0, grains=True)
    rng = np.random.default_rng(4)
    for seed in range(5):
        view = random_views(300, seed)
        intents = decode(rng.normal(size=(300, 7)), view)
        assert (wanted_lots(intents) <= view.left).all()
        rests, stands = intents[:, i.REST0 :], view.rest
        grain = (view.qty0 // ROUNDING_PARTS)[:, None]
        room = (view.left - intents[:, i.TAKE])[:, None] - np.cumsum(rests, axis=1)
        kept = (rests > 0) & (stands > 0) & (grain > 0) & (room > 0)
        assert kept.any()
        assert ((rests - stands)[kept] % np.broadcast_to(grain, rests.shape)[kept] == 0).all()


# -- the guard behind actions -----------------------------------------------------------------------------------------


def test_it_never_wants_more_than_is_left_and_holds_where_nothing_trades():
    for seed in range(5):
        view = random_views(300, seed)
        rule = build("peg_touch").decide(view)
        intents = CatchUp(0.2, 0.1).apply(rule.copy(), view)
        assert (wanted_lots(intents) <= view.left).all()
        np.testing.assert_array_equal(intents[~view.tradable], rule[~view.tradable])
        assert (intents[:, i.TAKE] <= np.maximum(view.far_depth[:, 0], rule[:, i.TAKE])).all()


def test_an_order_in_time_is_left_alone():
    view = random_views(300, 7)
    late = view.left / np.maximum(view.qty0, 1) > view.decisions_left / view.decisions
    rule = build("peg_touch").decide(view)
    intents = CatchUp(0.0, 0.0).apply(rule.copy(), view)
    np.testing.assert_array_equal(intents[~late], rule[~late])


def test_it_takes_back_to_where_it_resumes():
    # three quarters of the time is left, all of the order: behind by 0.25; the square root of 0.75 narrows
    view = view_of(qty0=1000, left=1000, decision=15, decisions=60, far1=10_000)
    lots = CatchUp(0.28, 0.1).apply(build("peg_touch").decide(view), view)[0, i.TAKE]
    assert lots == int(1000 * (0.25 - 0.1 * np.sqrt(0.75)))
    assert CatchUp(0.3, 0.1).apply(build("peg_touch").decide(view), view)[0, i.TAKE] == 0


def test_a_configuration_and_a_card_say_it():
    config = parse(
        {"policy": {"actions": "residual", "base": "peg_behind", "guard": [0.5, 0.3]}}, ""
    )
    assert action_parameters(config)["guard"] == [0.5, 0.3]
    assert action_parameters(parse({"policy": {"actions": "sized", "guard": [0.5, 0.3]}}, "")) == {
        "guard": [0.5, 0.3]
    }
    view = view_of(qty0=100, left=100, decision=30, decisions=60, far1=500)
    assert (
        action_set("sized", {"guard": [0.2, 0.1]}).decode(np.zeros(1, np.int64), view)[0, i.TAKE]
        > 0
    )


@pytest.mark.parametrize(
    "thresholds", [(0.1, 0.2), (1.5, 0.1), (0.2, -0.1), (0.2,), "late", None, (float("nan"), 0.1)]
)
def test_thresholds_that_are_none_are_refused(thresholds):
    if thresholds is None:
        assert action_set("sized", {"guard": None}).decode is not None
        return
    with pytest.raises(ConfigError, match="guard"):
        action_set("sized", {"guard": thresholds})


# -- the actions `costs`: against a row-by-row twin, and `guarded` wherever something is not known --------------------


GUARDED = build("guarded")


def foretold(view: View, seed: int = 1) -> View:
    """The same view with forecasts of all sizes, some of them unknown."""
    rng = np.random.default_rng(seed)
    outlook = rng.integers(-9000, 9000, (view.n, c.OUTLOOK))
    for column in (c.USUAL_SPREAD, c.FORECAST_10_SD, c.FORECAST_30_SD):
        outlook[:, column] = rng.choice([0, 1400, 1500, 3000], view.n, p=[0.1, 0.1, 0.1, 0.7])
    outlook[:, c.WAITING] = 400_000 * (rng.random(view.n) < 0.9)
    return replace(view, outlook=outlook)


def twin(scores: list[float], view: View, row: int, slices: float) -> list[int]:
    """One row, in plain Python."""
    want = GUARDED.decide(view)[row].tolist()
    told = view.outlook_rows[row].tolist()
    touch, far = int(view.m[row, c.TOUCH]), int(view.far[row])
    quoted = abs(touch) < 2**30 and abs(far) < 2**30 and not view.m[row, c.HALTED]
    room = (far - touch) * int(view.side[row])
    known = told[c.FORECAST_30_SD] > 0 and told[c.USUAL_SPREAD] >= 1500 and told[c.WAITING] > 0
    if not (quoted and known and room > 0):
        return want
    take, wait = (score > 0 for score in scores)
    if wait and view.decision[row] + 1 < view.decisions[row]:
        want[TAKE] = 0
    if take:
        lots = int(np.ceil(slices * view.qty0[row] / view.decisions[row]))
        want[TAKE] = max(want[TAKE], min(lots, int(view.far_depth[row, 0])))
    left = int(view.left[row])
    for column in (TAKE, *range(REST0, REST0 + 5)):
        want[column] = min(want[column], left)
        left -= want[column]
    return want


@given(st.integers(0, 2**32), st.floats(0.1, 9.0))
def test_each_row_is_what_plain_python_says(seed: int, slices: float) -> None:
    view = foretold(random_views(30, seed), seed)
    scores = np.random.default_rng(seed).normal(size=(30, 2)) * (np.arange(30) % 5 > 0)[:, None]
    found = CostDecoder(slices=slices).decode(scores, view).tolist()
    assert found == [twin(scores[row].tolist(), view, row, slices) for row in range(30)]


def test_the_observation_is_in_usual_half_spreads_and_zero_where_nothing_is_known() -> None:
    told = np.zeros((2, c.OUTLOOK), np.int64)
    told[:, [c.FORECAST_30, c.FORECAST_30_SD]] = -10_000, 5_000
    told[:, c.USUAL_SPREAD] = 4_000
    told[:, c.WAITING] = 250_000, 0
    view = view_of(
        qty0=100, left=[60, 60], touch=999, far=1002, mid2=2001, time_left_ns=3, horizon_ns=10
    )
    told[1, c.USUAL_SPREAD] = 0
    seen = observe_costs(replace(view, outlook=told))
    usual, half = 1e4 * 4 / 2001, 1e4 * 3 / 2001
    assert seen[0].tolist() == pytest.approx(
        [-10 / usual, 5 / usual, half / usual, 0.25, 0.3, 0.3], rel=1e-6
    )
    assert seen[1].tolist() == pytest.approx([0, 0, 0, 0, 0.3, 0.3], rel=1e-6)
    assert observer("costs").size == 6


@given(st.floats(-20, 20), st.integers(1, 9), st.floats(-10, 10))
def test_what_taking_is_charged_more_stands_beside_half_the_spread(
    fees: float, spread: int, move: float
) -> None:
    """In bps and by hand; no clip cuts the fees, and what is dearer is taken less."""
    told = np.zeros((1, c.OUTLOOK), np.int64)
    told[:, [c.FORECAST_30_SD, c.USUAL_SPREAD, c.WAITING]] = 1, 4_000, 400_000
    told[:, c.FORECAST_30], told[:, c.FEES] = round(1000 * move), round(1000 * fees)
    view = replace(view_of(touch=1000, far=1000 + spread, mid2=2000 + spread), outlook=told)
    usual = 1e4 * 4 / (2000 + spread)
    half = spread / 4 + fees / usual
    seen = observe_costs(view)
    expected = [np.clip(move / usual, -3, 3), 0.001 / usual, half, 0.4, 0.0, 1.0]
    assert seen[0].tolist() == pytest.approx(expected, abs=2e-3 / usual + 1e-5)
    policy = build_named("default")
    assert isinstance(policy, PolicyStrategy)
    dearer = seen + np.array([[0, 0, 1, 0, 0, 0]], np.float32)
    assert policy.policy.act(dearer)[0, 0] <= policy.policy.act(seen)[0, 0] - 0.1


def test_orders_that_a_bound_draws_narrow_no_spread() -> None:
    plain = view_of(touch=990, far=1010, mid2=2000)
    drawn = view_of(touch=990, far=1010, mid2=2000, undercut=15)
    assert drawn.spread.tolist() == [5]
    assert half_spread(drawn).tolist() == half_spread(plain).tolist() == [100.0]


def sure(far: int, **told: int) -> View:
    """A forecast of as much as counts that buying will be dearer, at 1000 to `far`."""
    outlook = np.zeros((1, c.OUTLOOK), np.int64)
    given = {"USUAL_SPREAD": 2_000, "FORECAST_30": 10**9, "FORECAST_30_SD": 1, "WAITING": 400_000}
    for name, value in (given | told).items():
        outlook[:, getattr(c, name)] = value
    view = view_of(touch=1000, far=far, mid2=1000 + far, decision=3, left=60, far1=50)
    return replace(view, outlook=outlook)


@pytest.mark.parametrize(
    ("view", "takes"),
    [
        (sure(1001), True),
        (sure(1050), False),
        (sure(1000), False),
        (sure(998), False),
        (sure(1001, FORECAST_30_SD=0), False),
        (sure(1001, WAITING=0), False),
        (sure(1001, USUAL_SPREAD=1_499), False),
        (sure(1001, FEES=80_000), False),
        (sure(1050, FEES=-400_000), True),
        (sure(1001, FORECAST_30=-(10**9), FEES=-80_000), True),
    ],
)
def test_what_is_taken_where_the_market_or_the_forecast_is_odd(view: View, takes: bool) -> None:
    """A tick, fifty ticks, locked, crossed; no forecast, no earlier days; fees that stop taking, and that pay for it."""
    policy, rule = build_named("default"), GUARDED.decide(view)
    found = policy.decide(view)
    assert (found[0, TAKE] > rule[0, TAKE]) == takes
    if not (is_known(view) & (view.spread > 1)).any():
        assert found[0, REST0] == rule[0, REST0], "nothing stands inside"


@pytest.mark.parametrize("wrong", [{"slices": 0}, {"slices": float("nan")}, {"base": "twap_take"}])
def test_parameters_that_will_not_do_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        action_set("costs", wrong)
    with pytest.raises(ConfigError, match="1 to 1"):
        observer("costs", 3)


# -- columns, intents and views agree with each other -----------------------------------------------------------------


def test_columns_are_numbered_as_they_are_named() -> None:
    assert [getattr(c, name.upper()) for name in c.X_NAMES] == list(range(c.PX))
    assert [getattr(c, name.upper()) for name in c.M_NAMES] == list(range(c.MX))


def test_view_reads_every_column_by_name() -> None:
    numbers = {name: k + 1 for k, name in enumerate(c.X_NAMES + c.M_NAMES)}
    view = view_of(**numbers)
    scaled = {
        "alpha": 1e3,
        "alpha_sd": 1e3,
        "urgency": 1e6,
        "max_participation": 1e6,
        "size_multiplier": 1e6,
    }
    for name, unit in scaled.items():
        read = name + "_bps" if name.startswith("alpha") else name
        assert getattr(view, read)[0] == numbers.pop(name) / unit, name
    side, undercut, touch = numbers["side"], numbers["undercut"], numbers.pop("touch")
    assert view.touch[0] == touch + side * undercut, "with the orders that a bound drew"
    for name, number in numbers.items():
        if not name[-1].isdigit() or name in ("qty0", "mid2", "arrival_mid2"):
            assert getattr(view, name)[0] == (True if name == "halted" else number), name
    assert view.rest[0].tolist() == [numbers[f"rest{j}"] for j in range(5)]
    assert view.ahead[0].tolist() == [numbers[f"ahead{j}"] for j in range(5)]
    assert view.own_depth[0].tolist() == [numbers[f"own{k}"] for k in range(1, 6)]
    assert view.far_depth[0].tolist() == [numbers[f"far{k}"] for k in range(1, 6)]
    what = ("same", "against", "ofi", "rv", "events", "drift")
    assert view.past[0].tolist() == [
        [numbers[f"past_{name}{back}"] for name in what] for back in (1, 2, 3)
    ]


def test_market_is_tradable_when_open_and_quoted_on_both_sides() -> None:
    view = view_of(touch=[99, 99, NO_BID, 99], far=[101, 101, 101, NO_ASK], halted=[0, 1, 0, 0])
    assert view.tradable.tolist() == [True, False, False, False]


def test_take_limit_of_a_fresh_ladder_is_any_price() -> None:
    intents = ladder(view_of(side=[1, -1], touch=[100, 105]))
    assert intents[:, i.TAKE_LIMIT].tolist() == [NO_ASK, NO_BID]
    assert intents[:, i.ANCHOR].tolist() == [101, 104]


@given(SEEDS)
def test_clip_keeps_the_best_rungs_and_what_is_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = i.empty(20)
    raw[:, [i.TAKE, *range(i.REST0, i.WIDTH)]] = rng.integers(-5, 40, (20, 6))
    left = rng.integers(0, 100, 20)
    clipped = i.clip(raw.copy(), left)
    for row, (before, after) in enumerate(zip(raw, clipped, strict=True)):
        budget = left[row]
        for column in (i.TAKE, *range(i.REST0, i.WIDTH)):
            lots = min(max(before[column], 0), budget)
            assert after[column] == lots
            budget -= lots


def test_hold_asks_for_what_rests_already_and_keeps_the_outside() -> None:
    view = view_of(left=50, live=30, rest1=20, rest3=5, outside_lots=5)
    intents = hold(view)
    assert intents[0, i.OUTSIDE] == i.KEEP
    assert intents[0, i.REST0 :].tolist() == [0, 20, 0, 5, 0]
    assert intents[0, i.TAKE] == 0


def test_shares_are_of_what_is_left_and_zero_where_nothing_is() -> None:
    view = view_of(left=[50, 0])
    intents = ladder(view)
    intents[0, [i.TAKE, i.REST0 + 1]] = 10, 40
    assert shares(intents, view).tolist() == [[0.2, 0, 0.8, 0, 0, 0], [0] * 6]


def test_expected_shares_weigh_the_actions() -> None:
    def decode(actions, view):  # type: ignore[no-untyped-def]
        intents = ladder(view)
        intents[:, i.TAKE] = actions * 10
        return intents

    view = view_of(left=[100, 50])
    weights = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    np.testing.assert_allclose(expected_shares(weights, decode, view)[:, 0], [0.05, 0.3])
    np.testing.assert_allclose(expected_shares(weights[0], decode, view)[:, 0], [0.05, 0.1])

"""Forecasts in the decision path: features against a brute-force twin, the walker, the folder, batch against driver."""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from tests.execution.test_identity import (
    LOUD,
    ROWS,
    TASK,
    Watched,
    often_undercut,
    plan_of,
    recorded_tape,
    through_both,
)

from tercel.core.errors import DataError, UnknownNameError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import columns as c, step as kernels
from tercel.execution.foresight import (
    flow_features,
    forecast_kernels,
    forecaster as fore,
)
from tercel.execution.foresight.forecaster import Forecaster, shipped_forecaster
from tercel.execution.intent import ANCHOR, REST0, TAKE, Intents
from tercel.execution.policies_packaged import load_packaged
from tercel.execution.probe_views import view_of
from tercel.execution.strategies import build
from tercel.execution.strategies.timed_takes import SpreadRule, TakeTimed, slices
from tercel.execution.strategy import Strategy, finish_intents, gap_of, hold, ladder
from tercel.execution.task import Latency, Task
from tercel.execution.view import View
from tercel.lab.evaluation.episodes import Episodes
from tercel.market.book import layout as lay
from tercel.market.flow.registry import load
from tercel.market.simulator import layout as sim
from tercel.market.simulator.bounds import with_strict_bound
from tercel.market.simulator.event_loop import next_public, public_event
from tercel.market.simulator.source import Source, reactive, with_impact
from tercel.market.tape.schema import ADD, CLEAR, DELETE, EXECUTE, REDUCE

PAST = ("bought", "sold", "ofi", "hidden", "events", "mid2", "spread", "lots")
LONG = Task(
    latency=Latency("constant", 10**9),
    **(TASK | {"warmup_s": 120.0, "horizon_s": 120.0, "decisions": 6}),
)


@pytest.fixture(scope="module")
def tape() -> Source:
    return recorded_tape(1, halts=False)


def levels(book: dict[int, list[int]], side: int) -> list[tuple[int, int]]:
    """Price and lots of a side's levels, best first."""
    lots: dict[int, int] = {}
    for at, price, qty in book.values():
        if at == side and qty > 0:
            lots[price] = lots.get(price, 0) + qty
    return sorted(lots.items(), key=lambda level: -side * level[0])


@dataclass
class Sum:
    """What happened, and when: what is left of it at a time."""

    happened: list[tuple[int, float]] = field(default_factory=list)

    def left(self, now: int, tau_s: float) -> float:
        return sum(value * math.exp(-(now - ns) * 1e-9 / tau_s) for ns, value in self.happened)


SUMS = ("signs", "lots", "moves", "prints")


def brute_features(source: Source, until_ns: int) -> list[float]:
    """The features of a tape at a time, from a book of dictionaries and lists of all seconds and of all that happened."""
    b = source.worlds_b[0]
    from tercel.market.book import layout as lay

    orders = b[lay.HEADER : lay.HEADER + int(b[lay.ORDERS]) * lay.ORDER].reshape(-1, lay.ORDER)
    book = {
        i: [int(o[lay.SIDE]), int(o[lay.PRICE]), int(o[lay.QTY])]
        for i, o in enumerate(orders)
        if o[lay.QTY] > 0
    }
    now = dict.fromkeys(PAST, 0)
    kept: list[dict[str, int]] = []
    happened = {name: Sum() for name in SUMS}
    last = {"price": 0, "side": 0, "ns": 0, "step": 0}

    def look() -> None:
        bids, asks = levels(book, 1), levels(book, -1)
        now["mid2"], now["spread"] = bids[0][0] + asks[0][0], asks[0][0] - bids[0][0]
        now["lots"] = bids[0][1] + asks[0][1]

    def note(name: str, value: float) -> None:
        happened[name].happened.append((ns, value))

    look()
    second = int(source.worlds_k[0, sim.NOW]) // NS_PER_SECOND + 1
    for ns, kind, slot, side, price, lots in source.tape.tolist():
        if ns > until_ns:
            break
        while ns > second * NS_PER_SECOND:
            kept.append(dict(now))
            second += 1
        best = {at: levels(book, at)[0][0] for at in (1, -1)}
        if kind not in (ADD, EXECUTE, REDUCE, DELETE):
            assert kind != CLEAR
            now["hidden"] += lots
            note("prints", np.sign(2 * price - now["mid2"]))
            last["price"] = price
            continue
        if kind == ADD:
            at, level, come = side, price, lots
            book[slot] = [side, price, lots]
            now["ofi"] += side * lots * ((price - best[side]) * side >= 0)
        else:
            at, level, qty = book[slot]
            come = -min(lots, qty)
            book[slot][2] += come
            now["ofi"] += at * come * (level == best[at])
            if kind == EXECUTE:
                now["sold" if at > 0 else "bought"] -= come
                note("signs", -at)
                note("lots", at * come)

                last |= {"price": level, "side": -at, "ns": ns}
        now["events"] += 1
        before = now["mid2"]
        look()
        if now["mid2"] != before:
            last["step"] = now["mid2"] - before
            note("moves", last["step"])
    while until_ns >= second * NS_PER_SECOND:
        kept.append(dict(now))
        second += 1
    left = {name: partial(one.left, until_ns) for name, one in happened.items()}
    return from_seconds(kept, now, levels(book, 1), levels(book, -1), left, last, until_ns)


def from_seconds(
    kept: list[dict[str, int]],
    now: dict[str, int],
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    left: Mapping[str, Callable[[float], float]],
    last: dict[str, int],
    until_ns: int,
) -> list[float]:
    n = len(kept) - 1
    mid = [row["mid2"] for row in kept]
    ones = [(mid[i] - mid[i - 1]) ** 2 for i in range(1, n + 1)]
    tens = [(mid[i] - mid[max(i - 10, 0)]) ** 2 for i in range(1, n + 1)]
    unit, second = math.sqrt(max(sum(tens), 4) / (10 * n)), math.sqrt(max(sum(ones), 4) / n)
    spread, lots = (
        sum(row["spread"] for row in kept[1:]) / n,
        max(sum(row["lots"] for row in kept[1:]) / (2 * n), 1),
    )
    per = {key: (kept[-1][key] - kept[0][key]) / n for key in ("bought", "sold", "events")}
    volume, events = max(per["bought"] + per["sold"], 1 / n), max(per["events"], 1 / n)
    sign = 1 if bids[0][1] > asks[0][1] else -1

    def ago(w: int) -> dict[str, int]:
        return kept[max(n - w, 0)]

    out = [
        sign * (now["mid2"] - ago(w)["mid2"]) / (unit * math.sqrt(w)) for w in flow_features.WINDOWS
    ]
    near = [
        sum(qty for price, qty in side if abs(price - side[0][0]) <= spread)
        for side in (bids, asks)
    ]
    gaps = [abs(side[1][0] - side[0][0]) / spread for side in (bids, asks)]
    queue = sign * (bids[0][1] - asks[0][1]) / (bids[0][1] + asks[0][1])
    wide = now["spread"] / unit
    out += [queue, sign * (near[0] - near[1]) / sum(near), queue * wide, sign * (gaps[1] - gaps[0])]
    out.append(sign * (2 * last["price"] - now["mid2"]) / unit)
    out += [sign * left["moves"](tau) / unit for tau in (1, 5, 30)]
    out += [sign * left["signs"](tau) for tau in (1, 3, 10)]
    out += [sign * left["lots"](tau) / (volume * tau + lots) for tau in (0.3, 1, 3)]
    age = math.log1p(10 * (until_ns - last["ns"]) * 1e-9)
    out += [sign * last["side"] / (1 + age), sign * last["step"] / unit]
    out.append(sign * left["prints"](3))
    heavy, thin = (bids, asks) if sign > 0 else (asks, bids)
    out += gaps if sign > 0 else gaps[::-1]
    out += [
        math.log1p(heavy[0][1] / lots),
        math.log1p(thin[0][1] / lots),
        now["spread"] / spread,
        wide,
    ]
    out.append((now["events"] - ago(10)["events"]) / (events * 10))
    out.append(math.sqrt(sum(ones[-60:]) / 60) / second)
    return [*out, second / unit]


def at_time(source: Source, until_ns: int) -> NDArray[np.float64] | None:
    """The features of the kernels at a time."""
    from tercel.market.simulator.event_loop import mark_time

    b, k = source.worlds_b[0].copy(), sim.extend(source.worlds_k[0], 0, seconds=sim.PAST_SECONDS)
    k[sim.CURSOR_END], k[sim.FLOW_NS] = len(source.tape), source.tape[0, sim.T_NS]
    while next_public(k) <= until_ns:
        mark_time(b, k, next_public(k))
        k[sim.NOW] = next_public(k)
        public_event(b, k, source.flow, source.tape)
    mark_time(b, k, until_ns + 1)
    k[sim.NOW] = until_ns
    x = np.full(flow_features.WIDTH, np.nan)
    return x if flow_features.features(b, k, x) else None


def test_features_are_those_of_a_list_of_all_seconds(tape: Source) -> None:
    signs = set()
    for after_s in (61.0, 75.5, 90.0, 100.25, 160.0, 290.75):
        until = int(tape.worlds_k[0, sim.NOW]) + round(after_s * NS_PER_SECOND)
        found = at_time(tape, until)
        assert found is not None
        np.testing.assert_allclose(
            found[: flow_features.FEATURES], brute_features(tape, until), rtol=1e-12, atol=1e-12
        )
        signs.add(float(found[flow_features.SIGN]))
    assert signs == {1.0, -1.0}, "of a book that leans either way"
    assert len(flow_features.NAMES) == flow_features.FEATURES


def test_nothing_is_said_of_a_past_that_is_too_short(tape: Source) -> None:
    assert at_time(tape, int(tape.worlds_k[0, sim.NOW]) + 50 * NS_PER_SECOND) is None


def test_a_tape_of_one_level_has_features_that_are_numbers() -> None:
    """Behind the touch stands nothing: no gap, and as much near it as at it."""
    from tercel.market.book import layout as lay
    from tercel.market.book.ladder import insert

    whole = recorded_tape(1, halts=False)
    b, k = lay.new_book(8, int(whole.worlds_b[0, lay.WIDTH]), 8), whole.worlds_k[0].copy()
    bid, ask = k[[sim.PUBLIC_BID, sim.PUBLIC_ASK]].tolist()
    insert(b, 0, 1, bid, 9)
    insert(b, 1, -1, ask, 4)
    rows = np.zeros((400, whole.tape.shape[1]), np.int64)
    rows[:, sim.T_NS] = k[sim.NOW] + np.arange(1, 401) * NS_PER_SECOND // 2
    rows[:, sim.T_KIND] = np.where(np.arange(400) % 2 == 0, ADD, DELETE)
    rows[:, [sim.T_SLOT, sim.T_SIDE, sim.T_PRICE, sim.T_LOTS]] = 2, 1, bid, 3
    one = Source("one", sim.REPLAY, whole.flow, rows, b[None], k[None], whole.tick, whole.lot)
    found = at_time(one, int(k[sim.NOW]) + 150 * NS_PER_SECOND + 1)
    assert found is not None
    assert np.isfinite(found).all()
    said = dict(zip(flow_features.NAMES, found.tolist(), strict=False))
    assert said["gap"] == said["gap_heavy"] == said["gap_thin"] == 0
    assert said["queue"] == said["near"] > 0


def test_of_a_book_that_the_feed_left_standing_nothing_is_forecast(tape: Source) -> None:
    """Ten or thirty seconds without an event where forty are usual in them, until the feed is back."""
    task = replace(LONG, decisions=120)
    plan = plan_of(tape, task, 60, 0)
    rows, stall_ns = tape.tape.copy(), 50 * NS_PER_SECOND
    stalls = int(plan.rows[0, kernels.E_START_NS]) + 50 * NS_PER_SECOND
    rows[rows[:, sim.T_NS] > stalls, sim.T_NS] += stall_ns
    episodes = Episodes(replace(tape, tape=rows), task, 1, looks_back=True)
    episodes.start(plan)
    episodes.set_forecaster(fore.shipped_forecaster())
    said = []
    while episodes.working.all():
        since = (int(episodes.states[0, sim.NOW]) - stalls) / NS_PER_SECOND
        said.append((since, bool(episodes.view.forecast_30_sd_bps[0])))
        episodes.step(hold(episodes.view))
    assert all(known for since, known in said if since < 9 or since > 52)
    assert not any(known for since, known in said if 32 < since < 49)


@pytest.mark.parametrize("said", [1e300, -1e9, math.nan])
def test_a_sum_that_is_no_forecast_is_none(tape: Source, said: float) -> None:
    """No number, or one beyond what whole numbers hold: the strategy goes on without."""
    lines = fore.spread_only_forecaster().lines.copy()
    lines[:, 0] = said
    absurd = replace(fore.spread_only_forecaster(), lines=lines, scale=np.ones((2, 2)))
    episodes = Episodes(tape, LONG, 1, looks_back=True)
    episodes.start(plan_of(tape, LONG, 60, 0))
    episodes.set_forecaster(absurd)
    assert episodes.view.usual_spread[0] > 0
    assert not episodes.view.outlook_rows[0, c.FORECAST_10 : c.WAITING].any()


# -- the walker and the folder ----------------------------------------------------------------------------------------


def test_the_walker_equals_lightgbm() -> None:
    pytest.importorskip("lightgbm")
    from tercel.signals.flow.train import build_forecaster as made_of
    from tercel.signals.flow.trees import CLIP, fit, train_booster

    rng = np.random.default_rng(3)
    x = rng.normal(size=(6000, flow_features.FEATURES))
    y = np.clip(np.tanh(x[:, 0] * x[:, 1]) + 0.3 * x[:, 2] + rng.normal(size=len(x)), -CLIP, CLIP)
    booster, trees = (
        train_booster(x, y, np.ones(len(x)), 5),
        fit("boosting", x, y, np.ones(len(x)), 5),
    )
    fresh = np.concatenate(
        [
            rng.normal(size=(3000, flow_features.FEATURES)),
            np.round(x[:500], 1),
            np.zeros((1, flow_features.FEATURES)),
        ]
    )
    said = made_of([trees] * len(forecast_kernels.HORIZONS)).raw(fresh, 30)
    np.testing.assert_allclose(said, booster.predict(fresh), rtol=0, atol=1e-12)
    assert said.std() > 0.1


def test_a_line_is_the_regression_of_another_library() -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    from tercel.signals.flow.train import build_forecaster as made_of
    from tercel.signals.flow.trees import fit

    rng = np.random.default_rng(4)
    x, weight = rng.normal(1.0, 2.0, (4000, flow_features.FEATURES)), rng.uniform(0.5, 2.0, 4000)
    y = np.clip(x @ rng.normal(0, 0.2, flow_features.FEATURES) + rng.normal(size=4000), -6, 6)
    ours = made_of([fit("linear", x, y, weight, 1)] * 2).raw(x[:100], 10)
    theirs = sklearn.LinearRegression().fit(x, y, weight).predict(x[:100])
    np.testing.assert_allclose(ours, theirs, atol=0.02)


@given(st.integers(0, flow_features.FEATURES - 1))
@settings(max_examples=10, deadline=None)
def test_nan_in_a_feature_is_nan_out(at: int) -> None:
    x = np.zeros((2, flow_features.FEATURES))
    x[1, at] = np.nan
    assert np.isnan(fore.shipped_forecaster().predict(x, 10)).tolist() == [False, True]


def test_one_ships_small_and_without_its_data() -> None:
    assert fore.packaged_forecasters() == (fore.DEFAULT,)
    folder = fore.SHIPPED / fore.DEFAULT
    assert sum(file.stat().st_size for file in folder.iterdir()) < 300_000
    assert sorted(file.name for file in folder.iterdir()) == [fore.CARD, fore.ARRAYS]
    with pytest.raises(UnknownNameError, match="flow-2"):
        fore.shipped_forecaster("flow-1")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            fore.CARD,
            lambda card: json.dumps(json.loads(card) | {"features": 1}),
            "features of version 2",
        ),
        (fore.CARD, lambda card: json.dumps(json.loads(card) | {"format": 9}), "format 2"),
        (
            fore.CARD,
            lambda card: json.dumps(json.loads(card) | {"kind": "other"}),
            "as it was written",
        ),
        (fore.CARD, lambda _: json.dumps({"features": 2}), "as it was trained"),
        (fore.ARRAYS, lambda _: "other", "the file that the card names"),
    ],
)
def test_another_version_and_an_edited_card_are_refused(
    tmp_path: Path, name: str, change: Callable[[bytes], str], said: str
) -> None:
    folder = tmp_path / "flow"
    shutil.copytree(fore.SHIPPED / fore.DEFAULT, folder)
    assert fore.load(folder).id == fore.shipped_forecaster().id
    (folder / name).write_text(change((folder / name).read_bytes()))
    with pytest.raises(DataError, match=said):
        fore.load(folder)
    with pytest.raises(DataError, match="the folder of a forecaster"):
        fore.load(tmp_path)


@pytest.mark.parametrize("name", ["value", "scale", "lines"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    bad = getattr(fore.spread_only_forecaster(), name).copy()
    bad.flat[-1] = np.nan
    with pytest.raises(DataError, match="a number that is none"):
        fore.save(tmp_path / "o", replace(fore.spread_only_forecaster(), **{name: bad}))


# -- the decision path ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "strategy"),
    [
        ("santa_fe", "spread_rule"),
        ("santa_fe", "default"),
        ("tape", "take_timed"),
        ("tape", "default"),
        ("background", "default"),
    ],
)
def test_batch_and_driver_are_told_the_same(tape: Source, market: str, strategy: str) -> None:
    """Events of a background that own orders move count once, where they are shown, at the prices they are moved to."""
    source = {
        "santa_fe": lambda: reactive(load("csco-santa-fe"), settle_s=600.0),
        "tape": lambda: tape,
        "background": lambda: with_impact(reactive(load("goog"), settle_s=600.0), LOUD),
    }[market]()
    by = (
        replace(load_packaged("default-1")[0], waiting=0.4)
        if strategy == "default"
        else build(strategy)
    )
    told = both_told(source, by)
    assert (told[:, c.USUAL_SPREAD] > 0).all()
    assert (told[:, c.FORECAST_10_SD] > 0).any() == (strategy != "spread_rule")


def both_told(
    source: Source, strategy: Strategy, by: fore.Forecaster | None = None
) -> NDArray[np.int64]:
    """What a batch was told, and a driver of its record as well."""
    episodes = Episodes(source, LONG, 1, record_rows=ROWS, looks_back=True)
    batch, mine = Watched(strategy, by), Watched(strategy, by)
    episodes.set_gap(gap_of(batch))
    _, driver = through_both(episodes, plan_of(source, LONG, 60, 0), batch, mine, source.name)
    assert len(batch.told) > LONG.decisions or not gap_of(mine)
    assert episodes.costs().lots_filled[0] == 60
    past = slice(sim.TRADED_NS, sim.RESIDUAL_AT)
    np.testing.assert_array_equal(driver.state[past], episodes.states[0, past])
    return np.array(batch.told)


def test_batch_and_driver_are_told_the_words_of_the_symbol(tape: Source) -> None:
    """Half the forecasts of 10 s and none of 30 s where the card says so of this symbol; all of them of another."""
    words = {"10": {"slope": 0.5, "speaks": True}, "30": {"slope": 0.9, "speaks": False}}
    by = replace(
        fore.shipped_forecaster(),
        card={**fore.shipped_forecaster().card, fore.TABLE: {"ABC": words}},
    )
    half, whole = (
        both_told(replace(tape, name=symbol), build("twap_passive"), by)
        for symbol in ("ABC", "XYZ")
    )
    assert np.abs(whole[:, c.FORECAST_10]).max() > 100
    assert np.abs(half[:, c.FORECAST_10] - whole[:, c.FORECAST_10] / 2).max() <= 1
    np.testing.assert_array_equal(half[:, c.FORECAST_10_SD], whole[:, c.FORECAST_10_SD])
    assert not half[:, [c.FORECAST_30, c.FORECAST_30_SD]].any()
    assert (whole[:, c.FORECAST_30_SD] > 0).any()


# -- the strategies ---------------------------------------------------------------------------------------------------


def told_view(
    forecast_bps: float,
    spread: int = 2,
    usual: float = 4.0,
    into: float = 0.5,
    left: int = 70,
    inflight: int = 0,
) -> View:
    """One market in the middle of slice 3 of 10, with a forecast against the order."""
    left_ns = round((1000 - 300 - 100 * into) * NS_PER_SECOND)
    view = view_of(
        qty0=100, left=left, decisions=10, decision=3, time_left_ns=left_ns, horizon_ns=1000 * NS_PER_SECOND,
        side=1, touch=1000, far=1000 + spread, mid2=2000 + spread, far1=500, own1=500, inflight=inflight,
    )  # fmt: skip
    outlook = np.zeros((1, c.OUTLOOK), np.int64)
    columns = [c.USUAL_SPREAD, c.FORECAST_10, c.FORECAST_10_SD]
    outlook[0, columns] = 1000 * usual, round(1000 * forecast_bps), 5000
    return View(view.x, view.m, view.draw, outlook)


LATE = {"spread": 9, "left": 80}


@pytest.mark.parametrize(
    ("rule", "forecast", "told", "lots"),
    [
        (SpreadRule(0.5, 0.4), 0.0, {"spread": 2}, 10),
        (SpreadRule(0.5, 0.4), 0.0, {"spread": 3}, 0),  # .75 of the usual is above .5 + .4 / 2
        (SpreadRule(0.5, 0.4), 0.0, {"spread": 3, "into": 0.9}, 10),
        (SpreadRule(0.5, 0.4), 0.0, LATE, 10),
        (SpreadRule(0.5, 0.4), 0.0, LATE | {"inflight": 10}, 0),
        # half a spread of 2 ticks over half of 4 is .5, at most .6; 10 bps of 1001 ticks are 1 tick
        (TakeTimed(0.3, 0.6, 1.5), 0.0, {}, 10),
        (TakeTimed(0.3, 0.6, 1.5), -10.0, {}, 0),
        (TakeTimed(0.3, 0.6, 1.5), 0.0, {"spread": 3}, 0),
        (TakeTimed(0.3, 0.6, 1.5), 10.0, {"spread": 3}, 10),
    ],
)
def test_a_slice_is_taken_by_the_spread_and_the_forecast_and_overdue_lots_at_any(
    rule: SpreadRule, forecast: float, told: dict[str, float], lots: int
) -> None:
    assert rule.decide(told_view(forecast, **told))[0, TAKE] == lots


def test_what_taking_costs_against_a_forecast() -> None:
    found = TakeTimed(0.3, 0.6, 1.5).cost(told_view(10.0, spread=2))[0]
    assert found == pytest.approx((2 - 1.5 * 10e-4 * 1001 * 2) / 4)


def test_without_a_forecast_it_is_the_spread_rule() -> None:
    view = told_view(-50.0)
    assert view.outlook is not None
    view.outlook[0, c.FORECAST_10_SD] = 0
    assert TakeTimed(0.5, 0.4).decide(view).tolist() == SpreadRule(0.5, 0.4).decide(view).tolist()
    assert View(view.x, view.m, view.draw).outlook_rows.tolist() == [[0] * c.OUTLOOK]


def test_all_is_overdue_before_the_horizon() -> None:
    view = told_view(0.0)
    view.x[0, c.TIME_LEFT_NS] = 9 * NS_PER_SECOND
    assert slices(view)[0].tolist() == [70]


# -- under the bound `undercut` forecasts and observations are those of the tape alone --------------------------------


LOOKS = Task(**(TASK | {"warmup_s": 100.0, "horizon_s": 180.0, "decisions": 90}))


@dataclass
class Inside(Strategy):
    """Rests everything some ticks better than everybody that it sees, and keeps what it was shown."""

    better: int
    name: str = "inside"
    shown: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    drawn: int = 0

    @property
    def forecaster(self) -> Forecaster:
        return shipped_forecaster()

    def decide(self, view: View) -> Intents:
        """All at `better` ticks inside, where there is room; at the touch elsewhere."""
        self.shown.append(
            (int(view.time_left_ns[0]), view.m.tobytes(), view.outlook_rows.tobytes())
        )
        self.drawn += int(view.undercut[0] > 0)
        intents = ladder(view)
        inside = (view.spread > self.better) * (self.better > 0)
        intents[:, ANCHOR] = view.touch + view.side * self.better * inside
        intents[:, REST0] = view.left * (self.better > 0)
        return finish_intents(intents, view)


def shown_in(source: Source, better: int, quantity: int, index: int) -> tuple[Inside, Episodes]:
    episodes = Episodes(source, LOOKS, 1, record_rows=ROWS, looks_back=True)
    plan = plan_of(source, LOOKS, quantity, index)
    episodes.start(plan)
    strategy = Inside(better)
    episodes.set_forecaster(strategy.forecaster)
    while episodes.working.all():
        episodes.step(strategy.decide(episodes.view))
    return strategy, episodes


def without_drawn(source: Source, episodes: Episodes) -> Source:
    """The tape as an own order left it, and no drawn order: arrivals without the lots that the own order traded, or
    would lock with.
    """
    record, tape = episodes.record(0), source.tape
    kind, who = record[:, sim.R_KIND], record[:, sim.R_WHO]
    drawn = who >= int(episodes.books[0][lay.ORDERS]) - sim.RIVAL_SLOTS
    rows = record[(kind < sim.OWN_REST) & ~drawn][:, : sim.TAPE_WORDS]
    passive = record[(kind == sim.OWN_FILL) & (record[:, sim.R_SIDE] == 1)]
    for ns in tape[(tape[:, sim.T_KIND] == ADD) & (tape[:, sim.T_NS] <= rows[-1, 0]), sim.T_NS]:
        came, stood = (
            part[(part[:, sim.T_NS] == ns) & (part[:, sim.T_KIND] == ADD), sim.T_LOTS].sum()
            for part in (tape, rows)
        )
        assert came - stood in (passive[passive[:, sim.R_NS] == ns, sim.R_LOTS].sum(), came)
    states = source.worlds_k.copy()
    states[:, sim.UNDERCUT] = 0
    return replace(source, tape=np.ascontiguousarray(rows), worlds_k=states)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("better", [1, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_forecasts_and_observations_are_those_of_the_tape_alone(
    seed: int, better: int, index: int
) -> None:
    source = often_undercut(recorded_tape(seed, halts=False, preset="ibm-santa-fe"))
    mine, episodes = shown_in(source, better, 40, index)
    alone, _ = shown_in(without_drawn(source, episodes), 0, 0, index)
    assert mine.drawn > 5
    assert len(mine.shown) == LOOKS.decisions
    assert mine.shown == alone.shown
    told = np.frombuffer(mine.shown[-1][2], np.int64)
    assert told[c.FORECAST_30_SD - c.USUAL_SPREAD] > 0, "something was said"


@pytest.mark.parametrize("side", [1, -1])
def test_orders_stand_about_the_price_that_they_would_meet(side: int) -> None:
    touch, far = (1000, 1010) if side > 0 else (1010, 1000)
    view = view_of(side=side, touch=touch, far=far, undercut=3, own1=5, far1=5)
    assert view.touch.tolist() == [touch + 3 * side]
    assert view.spread.tolist() == [7]
    for name in ("peg_touch", "direction_rule", "score_rule", "twap_repeg", "guarded"):
        assert build(name).decide(view)[0, ANCHOR] == touch + 4 * side, name
    tight = view_of(side=side, touch=touch, far=far, undercut=9, own1=5, far1=5)
    for name in ("direction_rule", "score_rule"):
        assert build(name).decide(tight)[0, REST0] == 0, "one tick is left: nothing stands inside"


def test_without_the_bound_nothing_is_drawn() -> None:
    source = with_strict_bound(recorded_tape(1, halts=False, preset="ibm-santa-fe"))
    strategy, episodes = shown_in(source, 1, 40, 0)
    assert strategy.drawn == 0
    assert episodes.states[0, sim.RIVALS] == 0

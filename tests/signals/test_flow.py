"""Forecasters learned on tape: days of a lake as samples, training, the card, recalibration by day, what is refused."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from tests.signals.command.material import done, refused, signals

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.desk.engine.configured_agents import strategy_of
from tercel.execution.foresight.flow_features import FEATURES
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import (
    CARD,
    TABLE,
    WAITING,
    Slope,
    _digest,
    find_forecaster,
    load,
    save,
    shipped_forecaster,
)
from tercel.execution.strategy import forecaster_of
from tercel.market.flow.registry import load as preset
from tercel.market.simulator.days import simulated_session
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.schema import TRADE
from tercel.signals.flow.days import EVERY, STEP_NS, flow_day, read_day
from tercel.signals.flow.recalibrate import (
    CONFIDENCE,
    MAX_SLOPE,
    NO_DAYS,
    day_sums,
    estimate_slope,
    recalibrate,
    update_slope_sums,
)
from tercel.signals.flow.score_page import score
from tercel.signals.flow.scores import accuracy, ages, mean_over_clusters
from tercel.signals.flow.train import calibrate, split_days, train

OLD, DATES = ["2019-12-30", "2019-12-31"], [f"2020-01-0{day}" for day in range(2, 7)]


def add_day(lake: Lake, symbol: str, date: str, seed: int) -> None:
    """Half an hour of a simulated day, from ten o'clock on."""
    market = preset("csco-santa-fe")
    one = Instrument("SIM", symbol, date, market.tick, market.lot)
    opens = one.clock_ns("10:00")
    lake.write(
        replace(one, session_open_ns=opens, session_close_ns=opens + 1800 * 10**9),
        simulated_session(market, 5 + seed, 1800.0, opens, warmup_s=300.0),
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two symbols of simulated days."""
    made = Lake(tmp_path_factory.mktemp("flow") / "lake")
    for number, (symbol, date) in enumerate(
        [*(("AAA", date) for date in OLD + DATES), ("BBB", DATES[0])]
    ):
        add_day(made, symbol, date, number)
    return made


@pytest.fixture(scope="module")
def trained(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("flow") / "model"
    train(lake, ["AAA"], out, seed=3, kind="linear", dates=OLD)
    return out


def test_a_day_is_quotes_and_features_at_moments(lake: Lake) -> None:
    day = read_day(lake, "AAA", "2020-01-02")
    assert day.x.shape == (len(day.quote_index), FEATURES)
    assert np.isfinite(day.x).all()
    assert set(np.diff(day.quote_index).tolist()) == {EVERY}
    mid2 = day.bid + day.ask
    ahead = 10 * 10**9 // STEP_NS
    known = np.isfinite(day.moves(10))
    np.testing.assert_array_equal(
        day.moves(10)[known], (mid2[day.quote_index[known] + ahead] - mid2[day.quote_index[known]])
    )
    assert not known[-1]


def test_a_day_of_trades_alone_is_refused_with_a_way_on() -> None:
    one = Instrument("SIM", "CCC", "2020-01-02", 0.01, 1)
    events = Events.empty(50)
    events.kind[:], events.price_ticks[:], events.qty_lots[:] = TRADE, 100, 1
    events.exch_ns[:] = one.clock_ns("10:00") + np.arange(50)
    with pytest.raises(DataError, match=r"orders, levels or quotes.*trades alone of CCC"):
        flow_day(one, events)


def test_training_again_gives_the_same_bytes(lake: Lake, trained: Path, tmp_path: Path) -> None:
    train(lake, ["AAA"], tmp_path / "again", seed=3, kind="linear", dates=OLD)
    assert load(tmp_path / "again").id == load(trained).id


def test_both_kinds_train_and_leave_each_symbol_out_once(lake: Lake, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    found = train(lake, ["AAA", "BBB"], tmp_path / "o", dates=DATES[:2])
    assert set(found.symbols["AAA"].stranger) == {"10", "30"}
    assert found.symbols["AAA"].forward.keys() == {"10", "30"}
    assert not found.symbols["BBB"].forward  # one day has no later one
    assert load(tmp_path / "o").lines.any() == False  # noqa: E712 - trees alone
    assert found.trees > 0


def test_days_that_it_was_trained_on_are_left_out(lake: Lake, trained: Path) -> None:
    found = score(load(trained), lake, ["AAA", "BBB"])
    assert (found.symbols["AAA"].days, found.symbols["AAA"].left_out) == (5, 2)
    assert found.symbols["BBB"].left_out == 0
    ten = found.symbols["BBB"].horizons["10"]
    assert 0.4 < ten.queue_auc < 0.9
    assert ten.coverage["0.95"] > ten.coverage["0.8"] > 0.6


def test_accuracy_is_that_of_other_libraries() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(8)
    said = rng.normal(size=3000)
    y = np.round(0.4 * said + rng.normal(size=3000))
    found = accuracy(said, y)
    moved = y != 0
    both, signs = (
        np.concatenate([said[moved], -said[moved]]),
        np.concatenate([y[moved] > 0, y[moved] < 0]),
    )
    assert found.auc == pytest.approx(metrics.roc_auc_score(signs, both), abs=1e-12)
    assert found.r2 == pytest.approx(1 - ((y - said) ** 2).sum() / (y**2).sum())
    assert found.slope == pytest.approx(np.linalg.lstsq(said[:, None], y, rcond=None)[0][0])


def test_calibration_finds_the_slope_and_the_widths() -> None:
    rng = np.random.default_rng(2)
    said = rng.normal(size=50_000)
    (slope, sd), widths = calibrate([(said, 0.5 * said + 2.0 * rng.normal(size=len(said)))])
    assert slope == pytest.approx(0.5, abs=0.03)
    assert sd == pytest.approx(2.0, abs=0.03)
    assert widths == pytest.approx([1.2816, 1.96], abs=0.03)


def test_an_age_limit_is_where_forecasts_are_no_longer_those_of_now(
    lake: Lake, trained: Path
) -> None:
    """On a day whose forecasts are an autoregression with .8 a step, .9 lies half a step ahead in a straight line."""
    rng, n = np.random.default_rng(5), 40_000
    line = np.zeros(n)
    for at in range(1, n):
        line[at] = 0.8 * line[at - 1] + rng.normal()
    day = replace(
        read_day(lake, "AAA", "2020-01-02"), bid=np.ones(n, np.int64), quote_index=np.arange(n), x=line[:, None], sign=np.ones(n),
    )  # fmt: skip

    class Said:
        def predict(self, x: Floats, horizon_s: int) -> Floats:
            return x[:, 0]

    found = ages(Said(), [day])  # type: ignore[arg-type]
    assert found.limit_ms == pytest.approx(125, abs=5)
    assert found.correlation["500"] == pytest.approx(0.64, abs=0.03)
    assert load(trained).card["age"]["limit_ms"] > 0


def test_clusters_and_halves() -> None:
    mean, t = mean_over_clusters(np.array([1.0, 3.0, 5.0, 4.0]), np.array([0, 0, 7, 7]))
    assert (mean, t) == (pytest.approx(3.25), pytest.approx(3.25 / (2.5 / 2)))
    assert mean_over_clusters(np.ones(3), np.zeros(3, np.int64)) == (1.0, None)
    days = [object()] * 10
    assert [len(part) for part in split_days(days)] == [6, 4]  # type: ignore[arg-type]


def test_the_commands_as_a_user_runs_them(lake: Lake, trained: Path, tmp_path: Path) -> None:
    place, out = lake.root, tmp_path / "cli"
    flow = ("--symbol", "aaa")
    done("flow", "train", place, *flow, "--kind", "linear", "--out", out)
    found = done("flow", "score", trained, place, *flow)
    assert set(found["symbols"]["AAA"]) >= {"days", "horizons", "worth_bps", "reliability"}
    signals("flow", "score", trained, place, *flow, "--out", tmp_path / "page")
    assert "<svg" in (tmp_path / "page" / "flow.html").read_text()
    assert "was not trained on" in refused("flow", "score", out, place, *flow)


# -- the arithmetic ---------------------------------------------------------------------------------------------------


def made_days(
    rng: np.random.Generator, days: int, slope: float, unrest: float = 0.0
) -> list[tuple[Any, Any]]:
    """Forecasts and moves of some days; the slope of a day strays by `unrest`."""
    made = []
    for _ in range(days):
        said = 0.2 * rng.normal(size=int(rng.integers(50, 150)))
        made.append((said, rng.normal(slope, unrest) * said + rng.normal(size=len(said))))
    return made


def sums(days: list[tuple[Any, Any]]) -> list[tuple[float, float]]:
    return [(float(said @ said), float(said @ came)) for said, came in days]


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.floats(2.0, 100.0))
def test_it_is_weighted_least_squares_written_out(seed: int, n: int, half_life: float) -> None:
    days = made_days(np.random.default_rng(seed), n, 0.6, 0.3)
    found = estimate_slope(
        reduce(lambda known, one: update_slope_sums(known, *one, half_life), sums(days), NO_DAYS)
    )
    weights = [0.5 ** ((n - 1 - at) / half_life) for at in range(n)]
    x, y = (np.concatenate([day[part] for day in days]) for part in range(2))
    root = np.sqrt(
        np.concatenate([np.full(len(day[0]), w) for day, w in zip(days, weights, strict=True)])
    )
    first = np.sqrt(
        (days[0][0] ** 2).sum() * weights[0] * 0.5 ** (1 / half_life)
    )  # the prior: a day before the first
    with_prior = np.linalg.lstsq(
        np.append(root * x, first)[:, None], np.append(root * y, first), rcond=None
    )[0][0]
    alone = np.linalg.lstsq((root * x)[:, None], root * y, rcond=None)[0][0]
    square = [w * (said**2).sum() for (said, _), w in zip(days, weights, strict=True)]
    scores = [
        w * (said * (came - alone * said)).sum()
        for (said, came), w in zip(days, weights, strict=True)
    ]
    effective = sum(square) ** 2 / sum(one**2 for one in square)
    assert found.slope == pytest.approx(np.clip(with_prior, 0.0, MAX_SLOPE), abs=1e-9)
    if effective < 2.0:
        assert (found.se, found.speaks) == (None, False)
        return
    se = np.sqrt(sum(one**2 for one in scores) * effective / (effective - 1)) / sum(square)
    low = alone - stats.t.ppf(CONFIDENCE, effective - 1) * se
    assert found.se == pytest.approx(se, rel=1e-6)
    assert found.low == pytest.approx(low, rel=1e-4, abs=1e-6)
    assert found.speaks == (found.low > 0)


def slope_of(days: Iterable[Sequence[float]]) -> dict[str, Any]:
    return estimate_slope(known_of(days))


def known_of(days: Iterable[Sequence[float]]) -> Floats:
    return reduce(lambda known, one: update_slope_sums(known, *one), days, NO_DAYS)


def test_the_prior_holds_for_two_days_and_holds_no_gate_open() -> None:
    for days in range(3):
        assert slope_of([(4.0, -4.0)] * days) == Slope(1.0, speaks=True)
    third = slope_of([(4.0, 0.4), (4.0, -0.4), (4.0, 0.0)])  # with its prior .25, and sure of it
    assert 0.2 < third.slope < 0.3
    assert not third.speaks


def test_a_slope_is_at_most_1_5_and_days_without_forecasts_are_none() -> None:
    assert slope_of([(1.0, 9.0), (1.0, 9.1), (1.0, 9.2)]).slope == MAX_SLOPE
    assert not known_of([(0.0, 0.0)] * 9).any()
    np.testing.assert_array_equal(known_of([(1.0, 0.5), (0.0, 0.0)]), known_of([(1.0, 0.5)]))
    weighty = slope_of([(1e-6, 1e-7), (1e-6, 1e-7), (1.0, 0.5)])  # one day is no sample of days
    assert (weighty.se, weighty.speaks) == (None, False)


# -- the folder -------------------------------------------------------------------------------------------------------


def test_slopes_are_those_of_the_days_that_it_was_not_trained_on(
    lake: Lake, trained: Path, tmp_path: Path
) -> None:
    found = recalibrate(load(trained), lake, ["AAA", "BBB"], tmp_path / "o")
    assert found.recalibrated["AAA"]["days"] == DATES
    assert found.recalibrated["BBB"]["days"] == DATES[:1]
    days = [read_day(lake, "AAA", date) for date in DATES]
    for h in (10, 30):
        by_hand = slope_of(day_sums(load(trained), day, h) for day in days)
        assert found.recalibrated["AAA"][str(h)] == asdict(by_hand)
    assert found.recalibrated["BBB"]["10"] == {
        "slope": 1.0,
        "se": None,
        "low": None,
        "speaks": True,
    }
    assert found.model == load(tmp_path / "o").id != load(trained).id


def test_going_on_by_day_is_the_same_to_the_byte(lake: Lake, trained: Path, tmp_path: Path) -> None:
    once, days = tmp_path / "once", tmp_path / "days"
    recalibrate(load(trained), lake, ["AAA"], once)
    recalibrate(load(trained), lake, ["AAA"], days, until=DATES[1])
    assert load(days).card[TABLE]["AAA"]["days"] == DATES[:2]
    recalibrate(load(days), lake, ["AAA"], days, until=DATES[2])
    recalibrate(load(days), lake, ["AAA"], days)
    assert load(days).id == load(once).id
    recalibrate(load(days), lake, ["AAA"], days)  # no day twice
    assert load(days).id == load(once).id
    back, early = tmp_path / "back", tmp_path / "early"
    recalibrate(load(once), lake, ["AAA"], back, until=DATES[1])
    recalibrate(load(trained), lake, ["AAA"], early, until=DATES[1])
    assert load(back).id == load(early).id


def test_an_earlier_day_is_refused_with_a_way_on(trained: Path, tmp_path: Path) -> None:
    lake, out = Lake(tmp_path / "lake"), tmp_path / "o"
    add_day(lake, "CCC", "2020-02-03", 1)
    add_day(lake, "CCC", "2020-02-05", 2)
    recalibrate(load(trained), lake, ["CCC"], out)
    add_day(lake, "CCC", "2020-02-04", 3)
    with pytest.raises(DataError, match="days of CCC after 2020-02-05") as raised:
        recalibrate(load(out), lake, ["CCC"], out)
    assert "2020-02-04 in" in raised.value.received
    assert "2020-02-04" in raised.value.remedy
    recalibrate(load(out), lake, ["CCC"], out, until="2020-02-04")
    recalibrate(load(out), lake, ["CCC"], out)
    assert load(out).card[TABLE]["CCC"]["days"] == ["2020-02-03", "2020-02-04", "2020-02-05"]


def test_forecasts_of_a_symbol_are_scaled_and_of_others_kept() -> None:
    slopes = {
        "days": [],
        "10": {"slope": 0.5, "speaks": True},
        "30": {"slope": 0.3, "speaks": False},
    }
    plain = shipped_forecaster()
    made = replace(plain, card={**plain.card, TABLE: {"AAA": slopes}})
    assert made.of("BBB") is made
    x, ten, thirty = (
        np.random.default_rng(3).normal(size=(20, plain.lines.shape[1] - 1)),
        *map(HORIZONS.index, (10, 30)),
    )
    np.testing.assert_allclose(
        made.of("AAA").predict(x, 10), 0.5 * plain.predict(x, 10), rtol=1e-12
    )
    assert made.of("AAA").scale[ten, 1] == plain.scale[ten, 1]
    assert made.of("AAA").scale[thirty].tolist() == [0.0, 0.0]


def test_what_waiting_costs_is_of_the_days_up_to_the_last_that_a_slope_knows(
    lake: Lake, trained: Path, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def waiting(symbol: str, dates: Sequence[str]) -> float:
        asked.append((symbol, [*dates]))
        return 0.25

    recalibrate(load(trained), lake, ["AAA"], tmp_path / "o", until=DATES[1], waiting=waiting)
    assert asked == [("AAA", [*OLD, *DATES[:2]])]
    found = load(tmp_path / "o")
    assert (found.of("AAA").waiting, found.of("BBB").waiting) == (0.25, 0.0)
    # A measured cost stands where the table has none; the desk's constant of a market gives way to the table.
    told = [found.forecast_writer(name, 0.5)._waiting for name in ("AAA", "BBB")]
    assert [*told, replace(found, waiting=0.7).forecast_writer("AAA")._waiting] == [
        250_000,
        500_000,
        250_000,
    ]
    made = strategy_of("packaged:default+posture", None, str(tmp_path / "o"))
    assert (forecaster_of(made) or found).of("AAA").waiting == 0.25
    # 0 is "not known", not "costs nothing": what the desk knows of the market stays.
    row = found.card[TABLE]["AAA"]
    unknown = replace(found, waiting=0.7, card={TABLE: {"AAA": {**row, WAITING: 0.0}}})
    assert unknown.of("AAA").waiting == 0.7


@pytest.mark.parametrize(
    "told",
    [
        *({WAITING: said} for said in (-1.0, 1e30, "0.4", None, float("nan"))),
        {"30": {"slope": float("nan"), "speaks": True}},
        {"10": {}},
    ],
)
def test_a_card_that_tells_what_cannot_be_is_refused(told: dict[str, Any], tmp_path: Path) -> None:
    good = {str(h): {"slope": 1.0, "speaks": True} for h in HORIZONS} | {"days": [], WAITING: 0.4}
    made = shipped_forecaster()
    save(tmp_path, replace(made, card={**made.card, TABLE: {"AAA": good}}))
    card = json.loads((tmp_path / CARD).read_text())
    card[TABLE]["AAA"] |= told
    (tmp_path / CARD).write_text(json.dumps(card | {"sha256": _digest(card)}))
    with pytest.raises(DataError, match="as it was trained"):
        load(tmp_path)


def test_days_that_slopes_know_are_not_scored(lake: Lake, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    recalibrate(load(trained), lake, ["AAA"], out, until=DATES[2])
    found, plain = score(load(out), lake, ["AAA"]), score(load(trained), lake, ["AAA"])
    assert load(out).seen == {"AAA": OLD + DATES[:3]}
    assert (found.symbols["AAA"].left_out, plain.symbols["AAA"].left_out) == (5, 2)
    assert not load(out).card[TABLE]["AAA"]["10"][
        "speaks"
    ]  # a line of two half hours knows nothing of the others
    ten, was = (one.symbols["AAA"].horizons["10"] for one in (found, plain))
    assert (ten.r2, ten.slope, ten.auc) == (0.0, None, 0.5)
    assert was.r2 < 0


def test_the_command_as_a_user_runs_it(lake: Lake, trained: Path, tmp_path: Path) -> None:
    words = ("flow", "recalibrate", trained, lake.root, "--out", tmp_path / "o", "--symbol")
    table = signals(*words, "aaa,bbb").stdout
    assert [line.split()[:4] for line in table.splitlines()[2:]] == [
        [symbol, h, "s", str(days)]
        for symbol, days in (("AAA", 5), ("BBB", 1))
        for h in ("10", "30")
    ]
    found = done(*words, "AAA", "--until", DATES[3])
    assert found[TABLE]["AAA"]["days"] == DATES[:4]
    assert set(found[TABLE]["AAA"]["30"]) == {"slope", "se", "low", "speaks"}
    assert find_forecaster(str(tmp_path / "o")).card[TABLE].keys() == {"AAA"}
    assert "received --until later" in refused(*words, "AAA", "--until", "later")
    assert "was not trained on" in refused(*words, "AAA", "--until", OLD[1])

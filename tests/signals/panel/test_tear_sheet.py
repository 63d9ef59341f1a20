"""The tear sheet beside alphalens-reloaded and beside loops over rows; its intervals on planted factors; frames of people."""

import json
import math
import os
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from scipy import stats

from tercel.core.errors import DataError
from tercel.signals.models.skill import rank_ic_of_rows
from tercel.signals.panel.tear_sheet import TearSheet, bins_of, tear_sheet
from tercel.signals.sources.prices import read_prices

Floats = NDArray[np.float64]
SCRIPT = Path(__file__).with_name("alphalens_script.py")
HORIZONS = (1, 3, 10)


def weekdays(count: int) -> pl.Series:
    days = pl.date_range(date(2021, 1, 4), date(2021, 1, 4) + timedelta(days=2 * count), eager=True)
    return days.filter(days.dt.weekday() < 6).head(count).alias("date")


def wide(days: pl.Series, values: Floats) -> pl.DataFrame:
    """A row a date and a column a name; NaN is empty."""
    names = [f"N{n:02d}" for n in range(values.shape[1])]
    return pl.DataFrame(values, names).fill_nan(None).insert_column(0, days)


def random_panel(seed: int, days: int = 70, names: int = 26) -> tuple[Floats, Floats]:
    """Closes (T, N) with gaps, names that come late and names that end; scores, NaN where they or the close are missing."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(days, names)).cumsum(axis=0)
    closes = 50 * np.exp(rng.normal(0, 0.02, (days, names)).cumsum(axis=0))
    day = np.arange(days)[:, None]
    closes[rng.random(closes.shape) < 0.03] = np.nan
    closes[
        (day < rng.integers(-60, 20, names)) | (day > rng.integers(days - 30, days + 90, names))
    ] = np.nan
    closes[30:45, 0] = np.nan  # leaves and comes back
    scores[np.isnan(closes) | (rng.random(closes.shape) < 0.05)] = np.nan
    return closes, scores


def loops(closes: Floats, scores: Floats, lag: int, h: int, count: int) -> dict[str, Any]:
    """IC, bins and mean returns by quantile of each date, one by one."""
    filled = pd.DataFrame(closes).ffill().to_numpy()
    known: dict[str, list[Any]] = {"ic": [], "bins": [], "returns": [], "excess": []}
    for day in range(len(closes)):
        names = np.flatnonzero(np.isfinite(scores[day]))
        edges = np.quantile(scores[day, names], np.linspace(0, 1, count + 1))
        bins = np.clip(np.searchsorted(edges, scores[day, names], side="left"), 1, count)
        known["bins"].append(dict(zip(names.tolist(), bins.tolist(), strict=True)))
        moves = {
            n: filled[day + lag + h, n] / closes[day + lag, n] - 1
            for n in names
            if day + lag + h < len(closes) and np.isfinite(closes[day + lag, n])
        }
        if len(moves) < 5:
            for what in ("ic", "returns", "excess"):
                known[what].append(None)
            continue
        ranked = stats.spearmanr([scores[day, n] for n in moves], list(moves.values()))
        known["ic"].append(ranked.statistic)
        means = [
            np.mean(
                [moves[n] for n, k in known["bins"][-1].items() if k == b and n in moves]
                or math.nan
            )
            for b in range(1, count + 1)
        ]
        known["returns"].append(means)
        known["excess"].append([mean - np.mean(list(moves.values())) for mean in means])
    return known


@pytest.mark.parametrize(("seed", "lag"), [(1, 0), (2, 1), (3, 2)])
def test_the_sheet_is_that_of_loops_over_rows(seed: int, lag: int) -> None:
    closes, scores = random_panel(seed)
    days = weekdays(len(closes))
    sheet = tear_sheet(
        wide(days, scores), wide(days, closes), horizons=HORIZONS, quantiles=5, lag=lag
    )
    assert sheet.count == 5
    for h in HORIZONS:
        known = loops(closes, scores, lag, h, 5)
        assert sheet.ic.filter(pl.col("horizon") == h)["ic"].to_list() == pytest.approx(
            known["ic"], abs=1e-12
        )
        cuts = sheet.quantiles.filter(pl.col("horizon") == h)
        for column, what in (("raw_bps", "returns"), ("bps", "excess")):
            by_date = np.array([row for row in known[what] if row is not None])
            assert cuts[column].to_list() == pytest.approx(
                1e4 * np.nanmean(by_date, axis=0), abs=1e-9
            )
    bins = loops(closes, scores, 0, 1, 5)["bins"]
    for day in range(1, len(days)):
        for k in range(1, 6):
            now, before = ({n for n, b in bins[d].items() if b == k} for d in (day, day - 1))
            assert sheet.turnover[str(k)][day - 1] == pytest.approx(len(now - before) / len(now))
        ranked = pd.DataFrame(scores[day - 1 : day + 1]).rank(axis=1).T.dropna()
        assert sheet.turnover["autocorrelation"][day - 1] == pytest.approx(
            ranked.corr().iloc[0, 1], abs=1e-12
        )


@pytest.fixture(scope="session")
def alphalens_of(
    quant_peers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[pl.DataFrame, pl.DataFrame, int], Any]:
    """What Alphalens measures."""

    def measure(prices: pl.DataFrame, factor: pl.DataFrame, quantiles: int) -> Any:
        folder = tmp_path_factory.mktemp("alphalens")
        prices.write_csv(folder / "prices.csv")
        factor.unpivot(index="date", variable_name="asset").drop_nulls().write_csv(
            folder / "factor.csv"
        )
        periods = [str(h) for h in HORIZONS]
        done = subprocess.run(
            [quant_peers, SCRIPT, folder, str(quantiles), *periods],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": ""},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return measure


@pytest.mark.long
@pytest.mark.parametrize(("seed", "quantiles"), [(11, 5), (12, 7)])
def test_the_sheet_is_that_of_alphalens(
    alphalens_of: Callable[[pl.DataFrame, pl.DataFrame, int], Any], seed: int, quantiles: int
) -> None:
    """With no lag, and on the dates of which Alphalens knows all returns, which are the first ones."""
    closes, scores = random_panel(seed)
    days = weekdays(len(closes))
    known = len(days) - max(HORIZONS)
    factor = wide(days[:known], scores[:known])
    sheet = tear_sheet(factor, wide(days, closes), horizons=HORIZONS, quantiles=quantiles, lag=0)
    theirs = alphalens_of(wide(days, closes), factor, quantiles)
    assert sheet.count == quantiles
    spread = {}

    def compare(what: str, ours: Any, found: Any) -> None:
        pairs = np.array([ours, found], dtype=float)
        spread[what] = max(spread.get(what, 0.0), float(np.nanmax(np.abs(pairs[0] - pairs[1]))))
        assert (np.isnan(pairs[0]) == np.isnan(pairs[1])).all()

    bins = bins_of(scores[:known], quantiles)
    assert [
        [str(days[int(d)]), f"N{n:02d}", int(bins[d, n])] for d, n in np.argwhere(bins > 0)
    ] == theirs["bins"]
    for h in HORIZONS:
        compare(
            "ic", sheet.ic.filter(pl.col("horizon") == h)["ic"], [*theirs["ic"][str(h)].values()]
        )
        cuts = sheet.quantiles.filter(pl.col("horizon") == h)
        for column, kind in (("bps", "demeaned"), ("raw_bps", "raw")):
            compare(kind, cuts[column] / 1e4, theirs["returns"][kind][str(h)])
    for k in range(1, quantiles + 1):
        compare("turnover", sheet.turnover[str(k)], [*theirs["turnover"][str(k)].values()][1:])
    compare(
        "autocorrelation",
        sheet.turnover["autocorrelation"],
        [*theirs["autocorrelation"].values()][1:],
    )
    assert max(spread.values()) < 1e-9


@pytest.mark.long
def test_where_alphalens_differs(
    alphalens_of: Callable[[pl.DataFrame, pl.DataFrame, int], Any],
) -> None:
    """The differences that the module's docstring names: last dates, ties, cross-sections of few names, stale prices."""
    closes, scores = random_panel(21)
    scores[50] = np.where(np.arange(scores.shape[1]) % 2, 1.0, scores[50])
    scores[51, 4:] = np.nan
    stale = int(np.flatnonzero(np.isnan(closes[10]) & np.isfinite(closes[:10]).any(axis=0))[0])
    scores[10, stale] = 0.0
    days = weekdays(len(closes))
    sheet = tear_sheet(
        wide(days, scores), wide(days, closes), horizons=HORIZONS, quantiles=5, lag=0
    )
    theirs = alphalens_of(wide(days, closes), wide(days, scores), 5)
    ours = sheet.ic.filter(pl.col("horizon") == 1).drop_nulls()["date"].to_list()
    dates = {date.fromisoformat(day) for day, ic in theirs["ic"]["1"].items() if ic is not None}
    assert {days[-2], days[50]} <= {*ours} - dates  # the end of the panel, ties
    assert days[51] in dates
    assert days[51] not in ours
    assert any(row[:2] == [str(days[10]), f"N{stale:02d}"] for row in theirs["bins"])
    moves = pd.DataFrame(closes).ffill().to_numpy()
    bought = np.where(np.isfinite(closes[10]), moves[11] / moves[10] - 1, np.nan)
    ic = sheet.ic.filter(pl.col("horizon") == 1)["ic"][10]
    assert ic == pytest.approx(rank_ic_of_rows(scores[10:11], bought[None])[0])
    assert theirs["ic"]["1"][str(days[10])] != pytest.approx(ic)


@given(st.lists(st.integers(0, 4), min_size=5, max_size=30), st.integers(2, 9))
def test_ties_share_the_lowest_quantile_whose_edge_is_not_below_them(
    cells: list[int], count: int
) -> None:
    # NumPy's edge may lie a rounding below a cell that it is; edges of whole cells are multiples of 1 / count
    edges = np.quantile(np.array(cells, float), np.linspace(0, 1, count + 1)).round(9)
    expected = np.maximum(np.searchsorted(edges, cells, side="left"), 1)
    assert bins_of(np.array([cells], float), count)[0].tolist() == expected.tolist()


def planted(seed: int, strength: float, days: int, names: int) -> tuple[Floats, Floats]:
    """Closes, and scores that move the return from the next close on by `strength` standard deviations."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(days, names))
    for day in range(1, days):
        scores[day] = 0.9 * scores[day - 1] + math.sqrt(1 - 0.9**2) * scores[day]
    moves = rng.normal(size=(days, names))
    moves[2:] += strength * scores[:-2]
    return np.exp(0.01 * moves.cumsum(axis=0)), scores


@pytest.mark.release
@pytest.mark.parametrize("strength", [0.0, 0.15])
def test_the_interval_holds_the_known_ic_in_95_of_100_panels(strength: float) -> None:
    names, panels, horizons = 10, 200, (1, 3)
    inside = dict.fromkeys(horizons, 0)
    for seed in range(panels):
        closes, scores = planted(seed, strength, 150, names)
        days = weekdays(len(closes))
        sheet = tear_sheet(wide(days, scores), wide(days, closes), horizons=horizons)
        for h in horizons:
            ages = np.abs(np.subtract.outer(np.arange(h), np.arange(h)))
            shared = strength * (0.9 ** np.arange(h)).sum()
            rho = shared / math.sqrt(h + strength**2 * (0.9**ages).sum())
            # Spearman's correlation of normal pairs on average (Moran 1948)
            mean = math.asin(rho) + (names - 2) * math.asin(rho / 2)
            mean *= 6 / (math.pi * (names + 1))
            inside[h] += sheet.skills[h].ci_low <= mean <= sheet.skills[h].ci_high
    assert all(0.9 * panels <= count <= 0.99 * panels for count in inside.values()), inside


CLOSES, SCORES = planted(5, 0.3, 60, 16)
DAYS = weekdays(60)
PRICES, FACTOR = wide(DAYS, CLOSES), wide(DAYS, SCORES)
LONG = FACTOR.unpivot(index="date", variable_name="name")


def short(factor: object, prices: object = PRICES, **options: Any) -> TearSheet:
    return tear_sheet(factor, prices, horizons=(1, 5), **options)


def test_frames_of_all_kinds_are_the_same_sheet(tmp_path: Path) -> None:
    LONG.write_csv(tmp_path / "factor.csv")
    indexed = pd.Series(
        LONG["value"].to_list(),
        index=pd.MultiIndex.from_arrays(
            [
                pd.DatetimeIndex(LONG["date"].to_list(), tz="America/New_York"),
                LONG["name"].to_list(),
            ],
            names=["date", "asset"],
        ),
    )
    prices = pd.DataFrame(
        CLOSES, index=pd.DatetimeIndex(DAYS.to_list()), columns=FACTOR.columns[1:]
    )
    expected = short(FACTOR).to_json()
    for factor in (LONG, LONG.sample(fraction=1.0, shuffle=True, seed=1), tmp_path / "factor.csv"):
        assert short(factor).to_json() == expected
    assert short(indexed, prices).to_json() == expected
    assert short(indexed.unstack(), read_prices(PRICES)).to_json() == expected


def test_what_is_left_out_or_moved_is_counted() -> None:
    empty = LONG.with_columns(
        pl.when(pl.int_range(pl.len()) % 100 > 2).then("value").alias("value")
    )
    assert short(empty).notes[1] == "empty scores, left out: 30 of 960"
    saturday = FACTOR.with_columns(
        pl.when(pl.col("date") == DAYS[4])
        .then(DAYS[4] + timedelta(days=1))
        .otherwise("date")
        .alias("date")
    )
    moved = short(saturday)
    assert "scores of days without prices, counted on the next day that has some: 16" in moved.notes
    assert (
        moved.ic.filter(pl.col("horizon") == 1)["date"].len() == 59
    )  # its Monday has a score of its own
    flat = FACTOR.with_columns(
        pl.when(pl.col("date") != DAYS[7]).then(pl.exclude("date")).otherwise(1.0)
    )
    assert "dates with one score for all names, left out: 1" in short(flat).notes
    assert short(flat).ic.filter(pl.col("date") == DAYS[7])["ic"].null_count() == 2
    known = short(FACTOR, PRICES.drop("N03", "N07"), lag=0).notes
    assert known[0].startswith("4 quantiles instead of 10: a usual date has 14 names")
    assert known[1].startswith("no lag")
    assert known[2] == "names without prices, left out: N03, N07"
    ended = PRICES.with_columns(N02=pl.when(pl.col("date") < DAYS[30]).then("N02"))
    assert any("settled at their last close: N02" in note for note in short(FACTOR, ended).notes)


def test_a_move_of_a_split_is_no_return_without_an_adjusted_close() -> None:
    split = PRICES.with_columns(
        N00=pl.when(pl.col("date") < DAYS[20]).then("N00").otherwise(pl.col("N00") / 2)
    )
    sheet = short(FACTOR, split)
    assert any("a split of 2:1" in note for note in sheet.notes)
    void = SCORES.copy()
    void[18:19, 0] = np.nan
    held = np.full(CLOSES.shape, np.nan)
    held[:-2] = CLOSES[2:] / CLOSES[1:-1] - 1
    ic = sheet.ic.filter(pl.col("horizon") == 1)["ic"].fill_null(math.nan).to_numpy()
    np.testing.assert_allclose(ic, rank_ic_of_rows(void, held), atol=1e-12)


def test_the_sector_of_a_name_that_changes_is_that_of_the_date() -> None:
    names = FACTOR.columns[1:]
    rows = [(name, DAYS[0], "even" if n % 2 == 0 else "odd") for n, name in enumerate(names[:14])]
    rows.append(("N00", DAYS[30], "odd"))
    sheet = short(FACTOR, sectors=pl.DataFrame(rows, ["symbol", "date", "sector"], orient="row"))
    assert sheet.notes[-1] == "no sector is given for 2 names in 120 rows (first: N14)"
    held = np.full(CLOSES.shape, np.nan)
    held[:-2] = CLOSES[2:] / CLOSES[1:-1] - 1
    inside = np.broadcast_to(np.arange(16) % 2 == 0, SCORES.shape).copy()
    inside[:, 14:] = False
    inside[30:, 0] = False
    by_date = rank_ic_of_rows(np.where(inside, SCORES, np.nan), held)
    even = sheet.by_sector.filter(pl.col("sector") == "even", pl.col("horizon") == 1).to_dicts()[0]
    assert even["names"] == 7
    assert even["dates"] == 58
    assert even["ic"] == pytest.approx(np.nanmean(by_date))
    unknown = sheet.by_sector.filter(pl.col("sector") == "unknown")
    assert unknown["ic"].null_count() == 2  # two names have no rank correlation


@pytest.mark.parametrize(
    ("factor", "options", "received"),
    [
        (pl.concat([LONG, LONG[7:8]]), {}, "N00 on 2021-01-13 in row 961"),
        (LONG.with_columns(value=1.0), {}, "60 of 60 dates with one score for all"),
        (LONG.with_columns(pl.col("name") + "x"), {}, "scores of N00x"),
        (LONG.with_columns(value=pl.lit("high")), {}, "'high' in row 1"),
        (LONG.with_columns(other=1.0).rename({"value": "size"}), {}, "size, other"),
        (FACTOR.select("date", "N00", "N01"), {}, "N00, N01"),
        (FACTOR, {"horizons": (1, 500)}, "60"),
        (FACTOR, {"horizons": (0, 5)}, "horizons [0, 5]"),
        (FACTOR, {"quantiles": 1}, "1 quantiles"),
        (FACTOR, {"lag": -1}, "lag -1"),
    ],
)
def test_a_factor_that_cannot_be_measured_is_refused(
    factor: pl.DataFrame, options: dict[str, Any], received: str
) -> None:
    with pytest.raises(DataError) as refused:
        tear_sheet(factor, PRICES, **options)
    assert received in refused.value.received


def test_what_is_not_significant_is_said_first_and_all_is_written(tmp_path: Path) -> None:
    closes, scores = planted(8, 0.0, 90, 16)
    scores[:-2] += 0.1 * np.log(closes[2:] / closes[1:-1]) / 0.01
    sheet = tear_sheet(
        wide(weekdays(90), scores), wide(weekdays(90), closes), name="a & b", sectors={"N00": "x"}
    )
    assert sheet.sentences()[0].startswith("Rank IC not significant: ")
    assert len(sheet.sentences()) == 5
    page = sheet.save(tmp_path / "sheets" / "factor.html")
    text = page.read_text()
    assert "<h1>Tear sheet: a &amp; b</h1>" in text
    assert text.count("<figure") == 6
    written = json.loads((tmp_path / "sheets" / "factor.json").read_text())
    assert written == sheet.to_json()
    assert written["sentences"] == [*sheet.sentences()]
    assert written["table"]["horizon"] == [1, 5, 21]

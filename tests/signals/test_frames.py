"""Signals in Python: the figures of the commands, own numbers without look-ahead, weights that are given, wrong tables."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from tests.signals.command.foreign import foreign
from tests.signals.command.material import done, trend  # noqa: F401

import tercel as tc
from certify.kits.signal_model import SignalModelConformance
from tercel.core.arrays import Floats
from tercel.core.errors import TercelError
from tercel.core.serialization import to_jsonable
from tercel.signals.models.folds import folds_of
from tercel.signals.models.model_folder import load as load_model
from tercel.signals.models.regressors import AsGiven
from tercel.signals.models.walk_forward import fuse_blocks
from tercel.signals.panel.build import load as load_panel
from tercel.signals.runs.config import read_config
from tercel.signals.runs.train import FORECASTS

SMALL: dict[str, Any] = {
    "history": 20,
    "least_dollars": 0,
    "every": 2,
    "splits": 3,
    "embargo_days": 2,
}
MINE: dict[str, Any] = {"families": ("as_given",), "only": ("mine",)}


def material(
    strength: float = 0.0, names: int = 10, days: int = 220
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Closes, and a factor that knows `strength` of the return of the five bars from the next close on."""
    made = foreign(Path(), names=names, days=days)
    rng = np.random.default_rng(11)
    told = np.zeros_like(made.close)
    told[:-6] = np.log(made.close[6:] / made.close[1:-5])
    factor = rng.standard_normal(told.shape) + strength * told / told.std()
    keys = {
        "date": np.repeat(np.array(made.days, "datetime64[D]"), names),
        "symbol": made.names * days,
    }
    return (
        pl.DataFrame({**keys, "close": made.close.ravel()}),
        pl.DataFrame({**keys, "mom": factor.ravel()}),
    )


def wide(frame: pl.DataFrame, value: str) -> pl.DataFrame:
    return frame.pivot("symbol", index="date", values=value)


class TestAsGiven(SignalModelConformance):
    learns = False

    def model(self) -> Any:
        return AsGiven()


def test_a_model_as_given_is_the_mean_of_standardised_columns() -> None:
    x = np.random.default_rng(2).normal(3.0, [1.0, 5.0], (50, 2))
    model = AsGiven().fit(x, np.arange(50.0))
    expected = ((x - x.mean(axis=0)) / x.std(axis=0)).mean(axis=1)
    np.testing.assert_allclose(model.predict(x), expected)
    np.testing.assert_array_equal(model.predict(x), AsGiven().fit(x, -np.arange(50.0)).predict(x))


@pytest.mark.usefixtures("quick_pictures")
def test_python_and_the_commands_have_the_same_figures(tmp_path: Path) -> None:
    """The commands go on from the folder that `train` wrote; a training by its `config.toml` has the same weights."""
    prices, factor = material(0.5)
    folder = tmp_path / "o"
    run = tc.signals.train(
        prices, {"mine": factor}, families=("linear",), out=folder, seed=3, **SMALL
    )
    config = folder / "config.toml"
    again = done("train", config, "--seed", 3, "--out", tmp_path / "p")
    assert again["weights"] == run.trained.weights
    assert run.table()["weight"].to_list() == [*again["weights"].values()]
    assert run.table()["source"].to_list() == ["daily", "mine"]
    told = done("evaluate", config, "--seed", 3, "--out", folder)
    found = tc.signals.evaluate(run)
    assert to_jsonable(found) == told
    assert found.table().row(0, named=True)["ic"] == pytest.approx(told["ic"]["fusion"]["mean"])
    assert (folder / "report.html").is_file()
    served = done("predict", folder)
    assert to_jsonable(tc.signals.predict(run).rows()) == served["rows"]
    assert tc.signals.predict(folder, date.fromisoformat(served["at"][:10])).table()[
        "score"
    ].to_list() == [row["score"] for row in served["rows"]]
    traded = done("backtest", folder, "--cost-bps", 5, "--hold", 0.3, "--seed", 2)
    book = tc.signals.backtest(folder, cost_bps=5.0, book=tc.signals.BookRule(hold=0.3), seed=2)
    del traded["out"], traded["targets"], traded["ledger"]
    assert to_jsonable(book.to_json()) == traded
    assert load_model(folder / "model").id == run.model.id
    by_file = tc.signals.train(config, out=tmp_path / "q", seed=3)
    assert by_file.trained.weights == run.trained.weights


def pandas_of(frame: pl.DataFrame, value: str, index: bool, zone: str | None = None) -> Any:
    pandas = pytest.importorskip("pandas")
    plain = pandas.DataFrame(frame.to_dict(as_series=False))
    plain["date"] = pandas.to_datetime(plain["date"]).dt.tz_localize(zone)
    return (
        plain.set_index(["date", "symbol"])[value].rename_axis(["date", "asset"])
        if index
        else plain
    )


def test_frames_of_pandas_an_index_zones_and_wide_tables_are_one_panel(tmp_path: Path) -> None:
    prices, factor = material()
    shapes: dict[str, tuple[Any, Any]] = {
        "long": (prices, factor),
        "index": (prices, pandas_of(factor, "mom", index=True)),
        "tokyo": (
            pandas_of(prices, "close", index=False, zone="Asia/Tokyo"),
            pandas_of(factor, "mom", index=True, zone="Asia/Tokyo"),
        ),
        "wide": (wide(prices, "close"), wide(factor, "mom")),
        "stamps": (prices, factor.with_columns(pl.col("date").cast(pl.Datetime("us")))),
        "files": (tmp_path / "prices.parquet", str(tmp_path / "mom.csv")),
    }
    prices.write_parquet(tmp_path / "prices.parquet")
    factor.write_csv(tmp_path / "mom.csv")
    panels = {}
    for shape, (own_prices, own) in shapes.items():
        tc.signals.train(own_prices, {"mine": own}, out=tmp_path / shape, **MINE, **SMALL)
        panels[shape] = load_panel(tmp_path / shape)[0]
    for panel in panels.values():
        np.testing.assert_allclose(panel.x, panels["long"].x, rtol=1e-12)
        np.testing.assert_allclose(panel.outcome, panels["long"].outcome, rtol=1e-12)


@pytest.mark.parametrize(
    ("hour", "zone", "lag_days", "bars_later"),
    [
        (None, None, 0.0, 0), (0, "Asia/Tokyo", 0.0, 0), (0, "America/New_York", 0.0, 0), (0, None, 0.0, 0),
        (15, None, 0.0, 0), (18, None, 0.0, 1), (18, "America/New_York", 0.0, 1), (None, None, 1.0, 1),
    ],
)  # fmt: skip
def test_a_number_is_seen_at_the_close_of_its_date_and_never_before(
    tmp_path: Path, hour: int | None, zone: str | None, lag_days: float, bars_later: int
) -> None:
    """One cell of one Wednesday is changed: which row changes says when it is known."""
    prices, factor = material(days=60)
    day = date(2018, 3, 7)

    def at(frame: pl.DataFrame) -> pl.DataFrame:
        if hour is None:
            return frame
        stamp = pl.col("date").cast(pl.Datetime("us")) + timedelta(hours=hour)
        return frame.with_columns(stamp.dt.replace_time_zone(zone) if zone else stamp)

    spoilt = factor.with_columns(
        mom=pl.when((pl.col("date") == day) & (pl.col("symbol") == "N4"))
        .then(99.0)
        .otherwise("mom")
    )
    panels = []
    for number, frame in enumerate((factor, spoilt)):
        settings = SMALL | {"every": 1, "horizon": 1, "splits": 2, "embargo_days": 1, "history": 5}
        folder = tmp_path / str(number)
        tc.signals.train(
            prices, {"mine": at(frame)}, lag_days={"mine": lag_days}, out=folder, **MINE, **settings
        )
        panels.append(load_panel(folder)[0])
    changed = np.flatnonzero((panels[0].x != panels[1].x).any(axis=1))
    assert len(changed) == 1
    close = datetime(2018, 3, 7 + bars_later, 16, 30, tzinfo=ZoneInfo("America/New_York"))
    assert panels[1].instrument[changed[0]] == "N4"
    assert panels[1].time_ns[changed[0]] == int(close.timestamp()) * 10**9


def independent(folder: Path, how: str) -> tuple[Floats, Floats]:
    """Fused forecasts of a run by weights that are given, computed row by row; and the ones of the run."""
    data, _ = load_panel(folder)
    config = read_config(folder / "config.toml")
    with np.load(folder / FORECASTS) as stored:
        told = stored["forecasts"]
    folds = folds_of(data, config.train)
    names = [str(k) for k in range(told.shape[1])]
    fused = fuse_blocks(data, told, names, folds, weights=how)[0]  # type: ignore[arg-type]
    expected = np.full(data.n, np.nan)
    before: list[int] = []
    for _, test in folds:
        past = [row for row in before if data.end_ns[row] <= data.time_ns[test].min()]
        before += test.tolist()
        if not past:
            expected[test] = np.nanmean(told[test], axis=1)
            continue
        z = (told[test] - np.nanmean(told[past], axis=0)) / np.nanstd(told[past], axis=0)
        share = np.ones(len(names))
        if how == "ic":
            ics = [
                [
                    pl.DataFrame({"f": told[rows, k], "y": data.outcome[rows]}).select(
                        pl.corr("f", "y", method="spearman")
                    ).item()
                    for rows in ([r for r in past if data.time_ns[r] == t] for t in np.unique(data.time_ns[past]))
                ]
                for k in range(len(names))
            ]  # fmt: skip
            share = np.maximum(np.mean(ics, axis=1), 0.0)
        said = np.isfinite(z)
        total = (said * share).sum(axis=1)
        base = data.y[past].mean()
        with np.errstate(invalid="ignore"):
            mean = np.where(total > 0, (np.nan_to_num(z) * share).sum(axis=1) / total, 0.0)
        expected[test] = base + mean
    return fused, expected


@pytest.mark.parametrize("how", ["equal", "ic"])
def test_given_weights_are_an_independent_calculations(tmp_path: Path, how: Any) -> None:
    """Two sources of which one is silent for some names; weights of a table are shares."""
    prices, factor = material(0.3)
    holed = factor.filter(pl.col("symbol") != "N3").with_columns(pl.col("mom") * 40 + 7)
    run = tc.signals.train(
        prices,
        {"mine": factor, "other": holed.with_columns(mom=-pl.col("mom").shift(1).over("symbol"))},
        weights=how,
        families=("as_given",),
        only=("mine", "other"),
        out=tmp_path,
        **SMALL,
    )
    fused, expected = independent(tmp_path, how)
    np.testing.assert_allclose(fused, expected, rtol=1e-9, atol=1e-12)
    shares = run.table()["weight"].to_list()
    assert sum(shares) == pytest.approx(1.0)
    assert shares == [0.5, 0.5] if how == "equal" else shares[0] > shares[1]
    said = {
        "equal": "Weights are equal by request: no source was judged; ",
        "ic": "Weights follow past rank ICs by request, whatever their intervals; ",
    }[how]
    served = tc.signals.predict(run)
    book = tc.signals.backtest(run, cost_bps=5.0)
    for warnings in (run.warnings, served.sentences(), book.warnings):
        assert any(said in one and "significantly above 0" in one for one in warnings)
    assert not any("weight 0" in text for text in run.trained.evidence.values())


@pytest.mark.usefixtures("quick_pictures")
def test_a_factor_of_chance_has_no_weight_and_equal_weights_make_a_book_of_it(
    tmp_path: Path,
) -> None:
    """Fused, its weight is 0 and `backtest` names the way on. Equal, the book holds its tenth, though desks get 0."""
    prices, factor = material(-0.05)
    fused = tc.signals.train(prices, {"mine": factor}, out=tmp_path / "f", **MINE, **SMALL)
    assert fused.table()["weight"].to_list() == [0.0]
    with pytest.raises(TercelError, match='weights = "equal"'):
        tc.signals.backtest(fused, cost_bps=5.0)
    wrong = factor.with_columns(mom=-material(1.0)[1]["mom"])
    run = tc.signals.train(
        prices, {"mine": wrong}, weights="equal", out=tmp_path / "e", **MINE, **SMALL
    )
    assert run.trained.alpha_scale.unit_bps == 0.0
    served = tc.signals.predict(run)
    assert {alpha.expected_bps for alpha in served.alphas} == {0.0}
    assert all(not alpha.sources for alpha in served.alphas)
    assert "a desk trades as without a forecast" in served.note
    book = tc.signals.backtest(run, cost_bps=5.0)
    last = wrong.filter(pl.col("date") == pl.col("date").max()).sort("mom")["symbol"]
    held = {row.name: row.weight for row in book.weights if row.weight}
    assert held == {last[-1]: 1.0, last[0]: -1.0}
    assert book.net.mean < 0
    assert any("above 0: 0 of 1" in one for one in book.warnings)
    assert any("no source was judged" in one for one in tc.signals.evaluate(run).warnings)


def test_a_name_that_comes_back_and_gaps_are_not_filled_with_stale_numbers(tmp_path: Path) -> None:
    """N1 has no numbers for 40 days, and NaN in one: there is none until its next, within twice the longest gap."""
    prices, factor = material()
    days = factor["date"].unique().sort().to_list()
    away = pl.col("date").is_between(days[100], days[139]) & (pl.col("symbol") == "N1")
    gap = (pl.col("date") == days[60]) & (pl.col("symbol") == "N2")
    own = factor.filter(~away).with_columns(mom=pl.when(gap).then(None).otherwise("mom"))
    priced = prices.filter(
        ~((pl.col("date").is_between(days[150], days[170])) & (pl.col("symbol") == "N5"))
    )
    run = tc.signals.train(priced, {"mine": own}, out=tmp_path, **MINE, **(SMALL | {"every": 1}))
    data, _ = load_panel(tmp_path)
    days_of = data.time_ns.astype("datetime64[ns]").astype("datetime64[D]")
    x = {
        (str(day), name): value
        for day, name, value in zip(days_of, data.instrument, data.x[:, 0], strict=True)
    }
    assert np.isfinite(x[str(days[101]), "N1"])
    assert np.isnan(x[str(days[110]), "N1"])
    assert np.isfinite(x[str(days[140]), "N1"])
    assert np.isnan(x[str(days[60]), "N2"])
    assert (str(days[160]), "N5") not in x
    assert np.isfinite(x[str(days[190]), "N5"])
    assert run.folder == tmp_path


def test_a_split_of_unadjusted_closes_is_no_return(tmp_path: Path) -> None:
    prices, factor = material()
    day = prices["date"].unique().sort()[100]
    split = prices.with_columns(
        close=pl.col("close")
        / pl.when((pl.col("symbol") == "N0") & (pl.col("date") >= day)).then(4).otherwise(1)
    )
    run = tc.signals.train(split, {"mine": factor}, out=tmp_path, **MINE, **SMALL)
    assert any(
        "N0 on 2018-05-21 by -76%" in one and "labels over them are void" in one
        for one in run.warnings
    )
    assert np.abs(load_panel(tmp_path)[0].outcome).max() < 0.3


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no frame": ({"prices": 3}, ["a data frame of Polars or pandas", "received int"]),
    "a frame for sources": ({"sources": material()[1]}, ["by the name of their source", "{'mine': frame}"]),
    "a source of no type": ({"sources": {"mine": 3}}, ["a data frame of Polars or pandas", "received int"]),
    "no prices": ({"prices": material()[0].clear()}, ["close"]),
    "no rows": ({"sources": {"mine": material()[1].clear()}}, ["in source mine: rows", "received none"]),
    "two prices": (
        {"prices": pl.concat([material()[0], material()[0].head(1)])},
        ["one row per name and day", "rows 1 and 2201"],
    ),
    "a constant": (
        {"sources": {"mine": material()[1].with_columns(mom=pl.lit(1.0))}},
        ["in source mine", "features that vary", "mom"],
    ),
    "a text": (
        {"sources": {"mine": material()[1].with_columns(pl.col("mom").cast(pl.String).shift(1, fill_value="?"))}},
        ["in source mine", "'?'", "row 1"],
    ),
    "other names": (
        {"sources": {"mine": material()[1].with_columns(pl.col("symbol").str.to_lowercase())}},
        ["names that have prices in source mine, such as N0", "received n0, n1", "call names as the prices do"],
    ),
    "wide, of other names": (
        {"sources": {"mine": wide(material()[1], "mom").rename(str.lower)}},
        ["say the same of every name", "columns that are called as its names"],
    ),
    "no seed": ({"seed": -1}, ["a seed from 0", "-1"]),
    "a folder in a file": ({"out": Path(__file__) / "o"}, ["Not a directory", "permissions"]),
    "no weights": ({"weights": "foo"}, ["train.weights", "'fused', 'equal' or 'ic'", "'foo'"]),
    "a family as text": ({"families": "linear"}, ["train.families", "a list", "'linear'"]),
    "no setting": ({"horizn": 3}, ["settings among", "'horizn'", "horizon"]),
    "no source": ({"only": ("min",)}, ["sources among daily, mine", "'min'", "mine"]),
    "no family": ({"families": ("as_gven",)}, ["as_gven", "as_given"]),
    "a lag of another": ({"lag_days": {"min": 2}}, ["sources of lag_days among mine", "'min'"]),
    "a lag of text": ({"lag_days": {"mine": "two"}}, ["lag_days", "'two'"]),
    "a wrong name": ({"sources": {"a/b": material()[1]}}, ["a/b"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_wrong_tables_and_settings_are_refused_and_nothing_is_written(
    tmp_path: Path, case: str
) -> None:
    wrong, words = BAD[case]
    prices, factor = material()
    given: dict[str, Any] = (
        {"prices": prices, "sources": {"mine": factor}, "out": tmp_path / "o"}
        | MINE
        | SMALL
        | wrong
    )
    with pytest.raises(TercelError) as caught:
        tc.signals.train(**given)
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "o" / "model").exists()


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars says it by an error of its own, of tables of the run and of the panel alike."""
    prices, factor = material()
    whole, room = pl.DataFrame.write_parquet, iter([False, True, True, False])

    def write_some(self: pl.DataFrame, *text: Any, **more: Any) -> None:
        """A disk that is full at the first file, and then at the third."""
        if next(room):
            return whole(self, *text, **more)
        raise pl.exceptions.ComputeError("parquet: No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", write_some)
    for _ in range(2):
        with pytest.raises(TercelError, match=r"No space left.* To go on: .*disk"):
            tc.signals.train(prices, {"mine": factor}, out=tmp_path, **MINE, **SMALL)
    assert not [*tmp_path.glob(".part*")]


def test_names_without_prices_and_rows_that_differ_are_said(tmp_path: Path) -> None:
    prices, factor = material()
    twice = pl.concat([factor, factor.head(1).with_columns(mom=pl.lit(5.0))])
    more = pl.concat(
        [
            twice,
            factor.head(3).with_columns(symbol=pl.lit("ELSE"), mom=pl.lit(0.1) * pl.int_range(3)),
        ]
    )
    strangers = wide(factor, "mom").rename({f"N{n}": f"ELSE{n}" for n in range(2, 10)})
    few = tc.signals.train(prices, {"mine": strangers}, out=tmp_path / "few", **MINE, **SMALL)
    assert any("8 of 10 names have no prices: ELSE2" in one for one in few.warnings)
    run = tc.signals.train(prices, {"mine": more}, out=tmp_path, **MINE, **SMALL)
    assert any("1 of 11 names have no prices: ELSE" in one for one in run.warnings)
    assert any(
        "of which the last row counts" in one and "rows 1 and 2201" in one for one in run.warnings
    )


def test_a_configuration_says_all_settings_and_a_cost_is_one(tmp_path: Path) -> None:
    with pytest.raises(TercelError, match=r"CONFIG\.toml alone"):
        tc.signals.train(tmp_path / "c.toml", weights="equal")
    with pytest.raises(TercelError, match=r"datetime\.date"):
        tc.signals.predict(tmp_path, "2024-01-31")  # type: ignore[arg-type]
    for law in (None, 1.0):
        with pytest.raises(TercelError, match="one of `cost_bps=` and `cost_law=`"):
            tc.signals.backtest(tmp_path, cost_bps=law, cost_law=law)

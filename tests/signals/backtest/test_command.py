"""`tercel signals backtest` and `explain` on a folder that `signals train` wrote: figures, files, pages, refusals."""

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from tests.signals.command.material import PANEL, TRAIN, daily_model, done, refused, signals

import tercel
from tercel.core.errors import DataError
from tercel.signals.models import model_folder, signal_model
from tercel.signals.portfolio import backtest as runs, daily_returns
from tercel.signals.portfolio.book import walk_of


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder of a small synthetic market; nobody writes into its model."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "config.toml"
    config.write_text(PANEL + TRAIN, encoding="utf-8")
    done("train", config, "--out", folder / "o")
    return folder / "o"


def test_a_backtest_from_folder_to_page(out: Path, tmp_path: Path) -> None:
    found = done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    assert {"dates", "ic", "sharpe_net", "turnover", "drawdown", "curve"} <= set(found)
    assert set(found["ic"]) >= {"mean", "ci_low", "ci_high", "t"}
    assert found["ic"]["ci_low"] > 0.05  # planted
    assert found["ic"] == done("predict", out)["ic"]
    assert found["dates"] == len(found["curve"]) == 80
    equity, peak = 1.0, 1.0
    for row in found["curve"]:
        assert set(row) == {"at", "gross", "cost", "net", "equity", "drawdown", "turnover", "ic"}
        assert row["net"] == row["gross"] - row["cost"]
        assert row["cost"] == pytest.approx(5e-4 * row["turnover"])
        equity *= 1 + row["net"]
        peak = max(peak, equity)
        assert (row["equity"], row["drawdown"]) == pytest.approx((equity, 1 - equity / peak))
    assert found["drawdown"] == max(row["drawdown"] for row in found["curve"])
    assert found["turnover"] == pytest.approx(np.mean([row["turnover"] for row in found["curve"]]))
    assert sum(row["dates"] for row in found["years"]) == 80
    assert len(found["sentences"]) <= 5
    forecast = done("predict", out)
    served = {row["name"]: row["expected_bps"] for row in forecast["rows"]}
    assert found["at"] > found["curve"][-1]["at"]
    assert {row["name"]: row["expected_bps"] for row in found["weights"]} == served
    with (tmp_path / "targets.csv").open(encoding="utf-8") as file:
        targets = list(csv.DictReader(file))
    assert {row["date"] for row in targets} == {found["at"][:10]}
    best = sorted(served, key=lambda name: served[name])
    assert {row["name"]: float(row["weight"]) for row in targets} == {
        best[-1]: 0.5,
        best[-2]: 0.5,
        best[0]: -0.5,
        best[1]: -0.5,
    }
    with (tmp_path / "targets.csv").open("a", encoding="utf-8") as file:
        file.write(f"{found['at'][:10]},GONE,0.1\n")
    done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    with (tmp_path / "targets.csv").open(encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file) if float(row["weight"]) == 0.0] == [
            "GONE"
        ], "closed"
    page = (tmp_path / "backtest.html").read_text(encoding="utf-8")
    assert page.count("<figure id") == 4
    assert (
        page.index(f"Forecast of {found['at'][:10]}")
        < page.index("Equity after costs")
        < page.index("By year")
    )
    assert (
        done("backtest", out / "model", "--cost-bps", "5", "--out", tmp_path)["curve"]
        == found["curve"]
    )
    assert json.loads((tmp_path / "backtest.json").read_text())["dates"] == 80


@pytest.mark.usefixtures("quick_pictures")
def test_the_table_ends_in_what_a_desk_would_say(out: Path, tmp_path: Path) -> None:
    told = signals(
        "backtest", out, "--cost-bps", "5", "--hold", "0.5", "--leave", "30%", "--out", tmp_path
    )
    assert told.exit_code == 0
    assert "After costs (5 bps one-way) the book made" in told.stdout
    assert "scores averaged (0.5 past), left at 30%" in " ".join(told.stdout.split())
    longs = done("backtest", out, "--cost-bps", "5", "--long-only", "--out", tmp_path)
    assert all(row["weight"] >= 0 for row in longs["weights"])
    assert "All names, held equally, made" in longs["warnings"][0]
    ruinous = done("backtest", out, "--cost-bps", "200", "--out", tmp_path)
    assert ruinous["sharpe_net_interval"]["ci_high"] < 0
    assert "cannot be told" not in ruinous["sentences"][0]  # that it loses is sure
    free, calm = (
        done("backtest", out, "--cost-bps", "0", *more, "--out", tmp_path)
        for more in ([], ["--hold", "0.5"])
    )
    assert free["sharpe_net"] == free["sharpe_gross"]
    assert calm["turnover"] < free["turnover"]


@pytest.mark.usefixtures("quick_pictures")
def test_figures_are_of_the_dates_with_a_book(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fusion is silent on every date but 40: printed are those, and no figure is diluted by the others."""
    walked = model_folder.load(out / "model").walk()
    times = walked["time"].unique().sort()
    spoken = pl.col("time").is_between(times[-50], times[-11])
    silent = walked.with_columns(pl.when(spoken).then("value").otherwise(0.0).alias("value"))
    monkeypatch.setattr(signal_model.SignalModel, "walk", lambda _: silent)
    found = done("backtest", out, "--cost-bps", "5", "--long-only", "--out", tmp_path)
    book = [row for row in found["curve"] if row["gross"]]
    assert (found["dates"], found["invested"]) == (len(found["curve"]), len(book))
    assert len(book) < len(found["curve"])
    assert found["turnover"] == pytest.approx(
        sum(row["turnover"] for row in found["curve"]) / len(book)
    )
    gross = np.array([row["gross"] for row in book])
    a_year = found["dates_a_year"]
    assert found["sharpe_gross"] == pytest.approx(gross.mean() / gross.std(ddof=1) * a_year**0.5)
    assert found["net_a_year"] == pytest.approx(
        found["curve"][-1]["equity"] ** (a_year / len(book)) - 1.0
    )
    words = f"invested on {len(book)} of {found['dates']} dates"
    assert f"{words}, {book[0]['at'][:10]} to" in found["sentences"][0]
    told = signals("backtest", out, "--cost-bps", "5", "--long-only", "--out", tmp_path)
    assert words in told.stdout.splitlines()[0]
    assert words in (tmp_path / "backtest.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick_pictures")
def test_a_desks_own_costs(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = SimpleNamespace(parents=7, is_bps=3.5)
    monkeypatch.setattr(
        "tercel.api.desk.folder_costs.costs_of",
        lambda folder: SimpleNamespace(cost_summary=SimpleNamespace(total=total)),
    )
    found = done("backtest", out, "--cost-from", tmp_path / "today", "--out", tmp_path)
    assert found["cost"] == "3.5 bps one-way, the mean of 7 parents of today"
    assert found["curve"][0]["cost"] == pytest.approx(3.5e-4 * found["curve"][0]["turnover"])
    total.is_bps = None
    assert "parents that were filled" in refused(
        "backtest", out, "--cost-from", tmp_path, "--out", tmp_path
    )


def test_what_cannot_be_backtested_is_refused(out: Path, tmp_path: Path) -> None:
    five = ("--cost-bps", "5")
    for arguments, said in (
        ((out,), "none of them"),
        ((out, *five, "--cost-law", "1"), "--cost-bps and --cost-law"),
        ((out, "--cost-bps", "-1"), "a one-way cost of 0 bps or more"),
        ((out, "--cost-bps", "nan"), "a one-way cost of 0 bps or more"),
        ((out, "--cost-law", "1"), "a panel with volumes"),
        ((out, *five, "--book", "halves"), "deciles or scores"),
        ((out, *five, "--hold", "1.5"), "--hold 0.5"),
        ((out, *five, "--leave", "5%"), "--leave 30%"),
        ((tmp_path, *five), "card.json"),
        ((out, "--cost-from", tmp_path / "no-desk"), "no-desk"),
    ):
        assert said in refused("backtest", *arguments, "--out", tmp_path / "x")
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused("backtest", out, "--cost-bps", "5", "--out", tmp_path / "file")
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("quick_pictures")
def test_a_fusion_that_was_wrong_leaves_no_targets(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of the last walked date are weeks old, and a desk could trade them."""
    done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    assert (tmp_path / "targets.csv").is_file()
    model = model_folder.load(out / "model")
    wrong = replace(model, scale=replace(model.scale, unit_bps=0.0))
    monkeypatch.setattr(model_folder, "load", lambda _: wrong)
    told = signals("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    assert told.exit_code == 0
    said = " ".join(told.output.split())
    assert (
        "The slope of returns on the fused forecast is not above 0 out of sample: every forecast is 0"
        in said
    )
    assert "targets.csv is removed" in said
    assert "targets none" in said
    assert not (tmp_path / "targets.csv").exists()
    assert "no targets are written" in (tmp_path / "backtest.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick_pictures")
def test_without_its_files_the_walk_still_stands(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise DataError("files", "prices.csv, which is gone", "bring it back")

    monkeypatch.setattr(runs, "predict", gone)
    found = done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    none = "No forecast is given, so no targets are written"
    assert found["warnings"] == [
        "No newer forecast than the walk-forward's: prices.csv, which is gone",
        f"{none}.",
    ]
    assert found["targets"] is None
    (tmp_path / "targets.csv").write_text("no table\n")
    again = done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    assert (
        again["warnings"][1] == f"{none}, and the previous {tmp_path / 'targets.csv'} is removed."
    )
    assert not (tmp_path / "targets.csv").exists()
    assert found["at"] == found["curve"][-1]["at"]
    assert all(row["expected_bps"] is None for row in found["weights"])


def test_an_explanation_from_folder_to_page(out: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(out / "model", tmp_path / "moved")
    found = done("explain", out, "--out", tmp_path)
    assert found["ic"] == done("predict", out)["ic"]
    assert found["dates"] == found["ic"]["dates"]
    assert found["warnings"] == []  # fits done again are those of the training
    served = {row["name"]: row["expected_bps"] for row in done("predict", out)["rows"]}
    for one in found["names"]:
        made = found["common_bps"] + sum(part["bps"] for part in one["parts"])
        assert made == pytest.approx(one["expected_bps"])
        assert made == pytest.approx(served[one["name"]], abs=1e-8)
    lost = {one["name"]: one["ic_lost"] for one in found["features"]}
    assert next(iter(lost)) == "linear.a"
    assert lost["linear.a"]["ci_low"] > 0
    assert lost["noise.d"]["mean"] < lost["linear.a"]["mean"] / 2
    assert {one["name"] for one in found["sources"]} == {"linear", "interaction", "noise"}
    assert math.isfinite(found["agreement"])
    assert len(found["sentences"]) <= 5
    page = (tmp_path / "explain.html").read_text(encoding="utf-8")
    assert page.count("<figure id") == 2
    assert "why " in page
    told = signals("explain", copied, "--out", tmp_path)  # without its panel: that is built anew
    assert told.exit_code == 0
    assert "rank IC lost where shuffled" in told.stdout
    assert "built again" in told.output
    again = json.loads((tmp_path / "explain.json").read_text())
    assert again["names"] == found["names"]


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder of daily prices: twelve names over two years."""
    return daily_model(tmp_path_factory.mktemp("daily"))


@pytest.mark.usefixtures("quick_pictures")
def test_the_square_root_law_reads_the_panels_prices(daily: Path, tmp_path: Path) -> None:
    small, large = (
        done("backtest", daily, "--cost-law", "1", "--capital", capital, "--out", tmp_path)
        for capital in ("1e6", "4e6")
    )
    assert small["cost"] == "the square-root law, Y 1, on 1,000,000"
    assert large["curve"][0]["cost"] == pytest.approx(2 * small["curve"][0]["cost"])
    assert "survivors" in small["sentences"][-1]
    assert small["at"].startswith("2012-02")  # the last day of the files, whose label is not known


def test_costs_of_the_law_by_hand(daily: Path) -> None:
    """The first name's deviation and volume on the first date, from the prices themselves."""
    model = model_folder.load(daily / "model")
    walk = walk_of(model.walk())
    sd, dollars = daily_returns.deviation_and_value_traded(model, walk)
    day = np.datetime64(int(walk.time_ns[0]), "ns").astype("datetime64[D]").item()
    prices = pl.read_parquet(daily.parent / "prices.parquet").filter(
        pl.col("ticker") == "N00", pl.col("date") <= day
    )
    moves = np.diff(np.log(prices["close"].to_numpy()))[-20:]
    assert sd[0, 0] == pytest.approx(moves.std(ddof=1))
    assert dollars[0, 0] == pytest.approx(
        np.median((prices["close"] * prices["volume"]).to_numpy()[-60:])
    )


@pytest.mark.usefixtures("quick_pictures")
@pytest.mark.parametrize("panel", ["out", "daily"])
def test_the_ledger_compounds_to_the_books_dates(
    panel: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Daily net returns between two dates of weights are the date's net return, where all prices exist."""
    model = request.getfixturevalue(panel)
    found = done("backtest", model, "--cost-bps", "5", "--out", tmp_path)
    returns = pl.read_csv(tmp_path / "ledger" / "returns.csv", try_parse_dates=True)
    before = pl.col("equity").shift(1, fill_value=1e7) / 1e7
    opening = returns.select("date", opening=before * (1 + pl.col("gross")))
    dates = pl.read_csv(tmp_path / "ledger" / "weights.csv", try_parse_dates=True)[
        "traded"
    ].unique()
    equity = opening.filter(pl.col("date").is_in(dates.implode()))["opening"].to_list()
    curve = [1.0] + [row["equity"] for row in found["curve"]]
    assert equity == pytest.approx(curve[:-1], rel=1e-9)
    assert opening["opening"].to_list()[-1] == pytest.approx(curve[-1], rel=1e-9)
    net = sum(row["net"] for row in found["pnl"])
    assert net == pytest.approx(1e7 * (returns["equity"].to_list()[-1] / 1e7 - 1))


@pytest.mark.usefixtures("quick_pictures")
def test_commissions_borrowing_sectors_and_a_benchmark(daily: Path, tmp_path: Path) -> None:
    prices = pl.read_parquet(daily.parent / "prices.parquet")
    names = prices["ticker"].unique().sort()
    sectors = pl.DataFrame({"symbol": names, "sector": ["tech", "banks"] * 6})
    sectors.write_csv(tmp_path / "sectors.csv")
    market = prices.group_by("date").agg(pl.col("close").mean()).sort("date")
    market.write_csv(tmp_path / "market.csv")
    five = ("--cost-bps", "5", "--out", tmp_path / "o")
    files = ("--sectors", tmp_path / "sectors.csv", "--benchmark", tmp_path / "market.csv")
    plain, dear = (
        done("backtest", daily, *five, *files, *more)
        for more in ((), ("--borrow-bps", "100", "--min-commission", "10000"))
    )
    assert dear["cost"] == "5 bps one-way, at least 10000 an order, 100 bps a year on shorts"
    orders = plain["curve"][0]["turnover"]
    assert orders == 2.0, "one name in each leg, of the whole book"
    assert plain["curve"][0]["cost"] == pytest.approx(5e-4 * orders)
    assert dear["curve"][0]["cost"] == pytest.approx(1e-3 * orders + 0.01 * 7 / 365)
    paid = pl.read_csv(tmp_path / "o" / "ledger" / "returns.csv")
    assert paid["cost"][0] == pytest.approx(1e-3 * orders)
    assert paid["borrow"][0] == 0.0
    assert paid["borrow"][1] == pytest.approx(0.01 / 365, rel=1e-2)
    assert {row["figure"] for row in dear["daily"]} >= {"alpha a year", "beta", "sharpe"}
    report = tercel.signals.backtest(
        daily, cost_bps=5, borrow_bps=100, min_commission=1e4, sectors=sectors, benchmark=market
    )
    assert report.ledger is not None
    assert report.ledger.table().to_dicts() == dear["daily"]
    exposures = pl.read_csv(tmp_path / "o" / "ledger" / "exposures.csv")
    both = exposures["sector:tech"] + exposures["sector:banks"]
    assert both.to_list() == pytest.approx(exposures["net"].to_list(), abs=1e-12)
    page = (tmp_path / "o" / "backtest.html").read_text(encoding="utf-8")
    for words in ("Net exposure by sector", "Against the benchmark", "Profit and loss by name"):
        assert words in page
    told = signals("backtest", daily, *five, *files)
    assert "beta" in told.stdout


@pytest.mark.usefixtures("quick_pictures")
def test_without_prices_there_is_no_ledger(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise DataError("files", "prices.csv, which is gone", "bring it back")

    monkeypatch.setattr(runs, "closes_of", gone)
    found = done("backtest", out, "--cost-bps", "5", "--out", tmp_path)
    assert found["ledger"] is found["daily"] is None
    assert "No ledger day by day: prices.csv, which is gone." in found["warnings"]
    sectors = tmp_path / "sectors.csv"
    sectors.write_text("symbol,sector\nS000,tech\n")
    five = ("--cost-bps", "5", "--out", tmp_path)
    assert "which is gone" in refused("backtest", out, *five, "--sectors", sectors)
    monkeypatch.undo()
    assert "nothing at" in refused("backtest", out, *five, "--sectors", tmp_path / "no.csv")
    assert "a least cost" in refused("backtest", out, *five, "--min-commission=-1")
    assert "of borrowing" in refused("backtest", out, *five, "--borrow-bps", "nan")

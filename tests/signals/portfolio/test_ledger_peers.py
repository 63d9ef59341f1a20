"""Figures of a ledger beside QuantStats, empyrical and pyfolio, on the same returns, positions and trades.

| figure | QuantStats | empyrical, pyfolio | equal |
|---|---|---|---|
| Sharpe ratio | `sharpe` | `sharpe_ratio` | yes |
| volatility | `volatility` | `annual_volatility` | yes |
| net a year | `cagr` | `annual_return` | yes |
| drawdown | `max_drawdown` | `max_drawdown` | yes, of other sign: ours is a loss of 0.2, theirs -0.2 |
| beta | `greeks` | `alpha_beta` | yes |
| alpha | `greeks` | `alpha_beta` | QuantStats yes: 252 times a day's; empyrical compounds a day's over 252 days |
| turnover | | `get_turnover` | no: ours is over the equity before costs, pyfolio's over |
| | | `"portfolio_value"` | the equity after costs |
| | | `"AGB"`, its default | the mean of the gross book at this close and the last |
"""

import json
import os
import random
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tercel import portfolio
from tercel.signals.portfolio.ledger import BookLedger

NEAR = 1e-9


def walk_of_names(
    seed: int, names: int, days: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Wide weekly weights, wide closes, and closes of a benchmark, of weekdays."""
    rng = random.Random(seed)
    calendar = [date(2020, 1, 1) + timedelta(n) for n in range(days * 7 // 5)]
    calendar = [day for day in calendar if day.weekday() < 5]
    market = [rng.gauss(0.0003, 0.008) for _ in calendar]
    level = 100.0
    levels = [level := level * (1 + move) for move in market]
    closes = {"date": calendar}
    for k in range(names):
        price = 50.0
        closes[f"N{k}"] = [price := price * (1 + move + rng.gauss(0, 0.012)) for move in market]
    dates = calendar[::5]
    weights = {"date": dates} | {
        f"N{k}": [rng.uniform(-0.3, 0.4) for _ in dates] for k in range(names)
    }
    benchmark = pl.DataFrame({"date": calendar, "close": levels})
    return pl.DataFrame(weights), pl.DataFrame(closes), benchmark


@pytest.fixture(scope="module")
def ledger() -> BookLedger:
    """Six names, two years, weights of every week."""
    weights, prices, benchmark = walk_of_names(4, 6, 500)
    return portfolio.backtest_weights(
        weights, prices, cost_bps=10, min_commission=5, borrow_bps=100, benchmark=benchmark
    )


@pytest.fixture(scope="module")
def peers(
    ledger: BookLedger, quant_peers: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the peers say of the CSV files."""
    folder = ledger.write(tmp_path_factory.mktemp("ledger"))
    script = Path(__file__).with_name("quant_peers.py")
    done = subprocess.run(
        [quant_peers, script, folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MPLCONFIGDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_figures_are_those_of_quantstats_and_empyrical(
    ledger: BookLedger, peers: dict[str, Any]
) -> None:
    assert ledger.alpha_and_beta is not None
    alpha, beta = ledger.alpha_and_beta
    ours = {
        "sharpe": ledger.sharpe.mean,
        "volatility": ledger.volatility,
        "cagr": ledger.net_a_year,
        "annual": ledger.net_a_year,
        "drawdown": -ledger.drawdown,
        "beta": beta.mean,
    }
    for name, figure in peers.items():
        key = name.partition(".")[2]
        if key in ours:
            assert figure == pytest.approx(ours[key], rel=NEAR), name
    assert peers["qs.alpha"] == pytest.approx(alpha.mean, rel=NEAR)
    assert peers["ep.alpha"] == pytest.approx((1 + alpha.mean / 252) ** 252 - 1, rel=NEAR)
    drawdown = ledger.returns["drawdown"].to_list()
    assert [-loss for loss in drawdown] == pytest.approx(peers["qs.drawdowns"], abs=NEAR)


def test_turnover_is_that_of_pyfolio_over_another_equity(
    ledger: BookLedger, peers: dict[str, Any]
) -> None:
    before = pl.col("equity").shift(1, fill_value=ledger.capital)
    opening = before * (1 + pl.col("gross") - pl.col("borrow"))
    theirs = ledger.returns.select(pl.col("turnover") * opening / pl.col("equity")).to_series()
    assert theirs.to_list() == pytest.approx(peers["pyfolio.turnover"], rel=NEAR, abs=1e-12)
    gross = ledger.holdings.group_by("date").agg(pl.col("value").abs().sum()).sort("date")["value"]
    book = (gross + gross.shift(1, fill_value=0.0)) / 2
    over_book = (ledger.returns.select(pl.col("turnover") * opening).to_series() / book).to_list()
    assert over_book == pytest.approx(peers["pyfolio.agb"], rel=NEAR, abs=1e-12)

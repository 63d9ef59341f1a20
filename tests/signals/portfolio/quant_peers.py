"""Figures of QuantStats, empyrical and pyfolio from the CSV files of a ledger, printed as JSON.

PYTHON quant_peers.py FOLDER     PYTHON of an environment with quantstats and pyfolio-reloaded, FOLDER of `Ledger.write`
"""

import json
import sys
import warnings
from pathlib import Path


def main(folder: Path) -> None:
    """Print the figures."""
    warnings.simplefilter("ignore")
    import empyrical as ep
    import pandas as pd
    import quantstats as qs
    from pyfolio.txn import get_turnover

    returns = pd.read_csv(folder / "returns.csv", parse_dates=["date"]).set_index("date")
    net, benchmark = returns["net"], returns["benchmark"]
    greeks = qs.stats.greeks(net, benchmark)
    holdings = pd.read_csv(folder / "holdings.csv", parse_dates=["date"])
    positions = holdings.pivot(index="date", columns="name", values="value")
    positions = positions.reindex(returns.index).fillna(0.0)
    positions["cash"] = returns["equity"] - positions.sum(axis=1)
    trades = pd.read_csv(folder / "trades.csv", parse_dates=["date"])
    trades = trades[trades["kind"] == "order"].set_index("date")
    transactions = pd.DataFrame(
        {
            "amount": trades["value"] / trades["price"],
            "price": trades["price"],
            "symbol": trades["name"],
        }
    )
    alpha, beta = ep.alpha_beta(net, benchmark)
    figures = {
        "qs.sharpe": qs.stats.sharpe(net),
        "qs.volatility": qs.stats.volatility(net),
        "qs.cagr": qs.stats.cagr(net),
        "qs.drawdown": qs.stats.max_drawdown(net),
        "qs.alpha": greeks["alpha"],
        "qs.beta": greeks["beta"],
        "ep.sharpe": ep.sharpe_ratio(net),
        "ep.volatility": ep.annual_volatility(net),
        "ep.annual": ep.annual_return(net),
        "ep.drawdown": ep.max_drawdown(net),
        "ep.alpha": alpha,
        "ep.beta": beta,
    }
    drawdowns = qs.stats.to_drawdown_series(net)
    turnover = get_turnover(positions, transactions, "portfolio_value")
    gross_book = get_turnover(positions, transactions, "AGB")
    series = {
        "qs.drawdowns": drawdowns.tolist(),
        "pyfolio.turnover": turnover.reindex(returns.index).fillna(0.0).tolist(),
        "pyfolio.agb": gross_book.reindex(returns.index).fillna(0.0).tolist(),
    }
    print(json.dumps({name: float(value) for name, value in figures.items()} | series))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The report of a run at an exchange that `tercel venue serve` offered: what an account's orders cost, and moved."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tercel.api.tca.report import own_costs
from tercel.core.errors import TercelError
from tercel.core.report.page import Section
from tercel.core.report.tables import fixed, plain_table
from tercel.venues.binance.engine import BinanceExchange
from tercel.venues.binance.run_record import impact, summed, write_fills, write_tape


def _moved(symbols: Mapping[str, Any]) -> list[Section]:
    """How far the price was moved, beside the same market without the orders."""
    told = {name: one["impact"]["moved_bps"] for name, one in symbols.items() if one.get("impact")}
    spans = list(dict.fromkeys(span for one in told.values() for span in one))
    if not spans:
        return []
    rows = [[name, *(fixed(one.get(span)) for span in spans)] for name, one in told.items()]
    caption = "The middle after a fill, in its direction, from that of the same market without these orders, bps"
    return [
        Section("How far they moved the price", html=plain_table(["symbol", *spans], rows, caption))
    ]


def venue_report(
    engine: BinanceExchange,
    twin: BinanceExchange | None,
    account: str,
    out: Path,
    strategies: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Write `fills.csv`, `lake`, `report.json` and, where there were fills, `report.html` into a folder; the report.

    Parameters
    ----------
    engine : BinanceExchange
        As the run left it.
    twin : BinanceExchange or None
        The same market without orders (:func:`tercel.venues.binance.opened.twin`); None: nothing is said of impact.
    account : str
    out : Path
        The report of an earlier run there is replaced.
    strategies : tuple of str
        Written strategies that work the same parents again (as `own_costs` has them).
    """
    out.mkdir(parents=True, exist_ok=True)
    mine = engine.account(account)
    report: dict[str, Any] = {
        "account": account,
        "balanced": not engine.imbalance(account),
        "symbols": {},
    }
    for symbol, rules in engine.rules.items():
        date, rows = write_tape(out / "lake", engine.markets[symbol])
        told = {"date": date, "rows": rows, **summed(mine, rules)}
        if twin is not None:
            told["impact"] = impact(engine, twin, mine, symbol)
        report["symbols"][symbol] = told
    fills = write_fills(out / "fills.csv", mine, engine.rules)
    report["costs"] = None
    if fills:
        try:
            costs = own_costs(out / "fills.csv", out / "lake", strategies=strategies)
        except (
            TercelError
        ) as error:  # too short a run, or one across midnight: the figures above stand
            report["why_no_costs"] = str(error)
        else:
            report["costs"] = costs.to_json()
            more = _moved(report["symbols"])
            (out / "report.html").write_text(
                costs.page("What the orders at this exchange cost", more)
            )
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report

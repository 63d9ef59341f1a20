"""`python -m studies replenishment`: how soon lots that market orders took were added again, on a preset's own days."""

from pathlib import Path

import numpy as np

from tercel.cli import print_json, print_table, say
from tercel.core import TapeError
from tercel.market import train_days
from tercel.market.flow import load
from tercel.market.impact import LONGEST_S, delays

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def run(which: str, lake: Path, as_json: bool) -> None:
    """Measure on the days and hours that the preset was calibrated on, and print.

    Raises
    ------
    ConfigError, TapeError
        No such preset, days that the lake does not hold or that say nothing.
    """
    preset = load(which)
    days = train_days(lake, preset)
    wanted = [str(date) for date in preset.card.get("days", [])]
    if len(days) < len(wanted) or not days:
        held = ", ".join(day.instrument.date for day in days) or "none"
        raise TapeError(
            f"{preset.symbol} on {', '.join(wanted) or 'a day'} in {lake}", held, "import the days"
        )
    found, labels = delays([day.observe() for day in days]), [day.label for day in days]
    censored = float((found.late | found.cut).mean())
    if as_json:
        print_json({
            "preset": preset.name, "symbol": preset.symbol, "days": labels, "market_orders": found.n,
            "censored": censored, "late": float(found.late.mean()), "cut": float(found.cut.mean()),
            "longest_s": LONGEST_S, "quantiles_s": found.table(),
        })  # fmt: skip
        return
    values = np.quantile(found.seconds, QUANTILES, method="inverted_cdf")
    row = (
        preset.name,
        f"{found.n:,}",
        *(f"{value:.3g}" for value in values),
        f"{100 * censored:.1f} %",
    )
    head = ("market", "market orders", *(f"{100 * q:g} %" for q in QUANTILES), "not back")
    print_table(f"Seconds until as many lots were added again, {', '.join(labels)}", head, [row])
    say(
        f"not back: within {LONGEST_S:g} s {100 * found.late.mean():.1f} %, by the end {100 * found.cut.mean():.1f} %"
    )

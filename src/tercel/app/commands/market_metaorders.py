"""`tercel market metaorders`: Y and delta of proxy metaorders, from public trades alone."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from tercel.app.commands.market_event_study import read
from tercel.app.output import print_json, print_table, say
from tercel.market.studies.metaorders import SHARE, Metaorders, metaorders
from tercel.stats.bootstrap import Estimate

HEAD = ("traders", "shares", "metaorders", "orders each", "Y, delta 1/2", "delta", "Y, delta free", "at 1 % of a day")


def run(
    lake: Path,
    symbol: str,
    *,
    dates: Sequence[str],
    leave_out: Collection[str],
    venue: str,
    seed: int,
    as_json: bool,
) -> None:
    """Measure and print.

    Raises
    ------
    ConfigError, TapeError
        Days that are missing, cannot be used or are too few.
    """
    found = metaorders(symbol, read(lake, symbol, dates, leave_out, venue), seed)
    if as_json:
        print_json({**asdict(found), "share": SHARE})
    else:
        show(found)


def show(found: Metaorders) -> None:
    """The table."""
    for date, why in found.left_out.items():
        say(f"left out  {date}: {why}")
    rows = [
        (str(fit.traders), fit.participation, f"{fit.metaorders:,}", f"{fit.mean_orders:.1f}", _told(fit.y_half),
         _told(fit.delta), _told(fit.y), _told(fit.at_share, 3))
        for fit in found.fits
    ]  # fmt: skip
    title = (
        f"{found.symbol}, {len(found.days)} days: impact = Y sigma (Q / V)^delta [95 % over days]; "
        f"a day's sigma {found.sigma_ticks:.1f} ticks, V {found.volume_lots:,.0f} lots (means)"
    )
    print_table(title, HEAD, rows, leaves=("metaorders", "orders each", "at 1 % of a day"), words=("shares",))
    say("at 1 % of a day: impact in sigma, delta free. Intervals know nothing of how many traders there are.")


def _told(value: Estimate, digits: int = 2) -> str:
    if value.ci_low is None or value.ci_high is None:
        return f"{value.mean:.{digits}f}"
    return f"{value.mean:.{digits}f} [{value.ci_low:.{digits}f}, {value.ci_high:.{digits}f}]"

"""`python -m studies metaorders`: Y and delta of proxy metaorders, from public trades alone."""

from collections.abc import Mapping
from dataclasses import asdict

from studies.tape.metaorders import SHARE, Metaorders, metaorders
from tercel.cli import print_json, print_table, say
from tercel.core.report import format_interval
from tercel.market.observed import Observed

HEAD = (
    "traders",
    "shares",
    "metaorders",
    "orders each",
    "Y, delta 1/2",
    "delta",
    "Y, delta free",
    "at 1 % of a day",
)


def run(symbol: str, days: Mapping[str, Observed], *, seed: int, as_json: bool) -> None:
    """Measure and print.

    Raises
    ------
    ConfigError
        Days that cannot be used or are too few.
    """
    found = metaorders(symbol, days, seed)
    if as_json:
        print_json({**asdict(found), "share": SHARE})
    else:
        show(found)


def show(found: Metaorders) -> None:
    """The table."""
    for date, why in found.left_out.items():
        say(f"left out  {date}: {why}")
    rows = [
        (str(fit.traders), fit.participation, f"{fit.metaorders:,}", f"{fit.mean_orders:.1f}",
         *(format_interval(one) for one in (fit.y_half, fit.delta, fit.y)), format_interval(fit.at_share, digits=3))
        for fit in found.fits
    ]  # fmt: skip
    title = (
        f"{found.symbol}, {len(found.days)} days: impact = Y sigma (Q / V)^delta [95 % over days]; "
        f"a day's sigma {found.sigma_ticks:.1f} ticks, V {found.volume_lots:,.0f} lots (means)"
    )
    print_table(
        title,
        HEAD,
        rows,
        drop_order=("metaorders", "orders each", "at 1 % of a day"),
        left_aligned=("shares",),
    )
    say(
        "at 1 % of a day: impact in sigma, delta free. Intervals know nothing of how many traders there are."
    )

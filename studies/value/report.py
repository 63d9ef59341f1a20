"""Pages about the value of forecasts and postures: the tables as figures, one file each that fetches nothing."""

from collections.abc import Mapping, Sequence

from studies.value.alpha import AlphaValue, Drifted
from studies.value.posture import Figures
from studies.value.stress import Effect
from tercel.core.report import Section, paired_differences, plain_table, render_page
from tercel.core.stats import Estimate


def gain_text(cell: Estimate) -> str:
    """A gain with its interval.

    >>> gain_text(Estimate(1.0, 0.5, 1.5))
    '+1.00 [+0.50, +1.50]'
    """
    return f"{cell.mean:+.2f} [{cell.ci_low:+.2f}, {cell.ci_high:+.2f}]"


def share_text(cell: Estimate) -> str:
    """A share with its interval, per cent.

    >>> share_text(Estimate(0.2, 0.1, 0.3))
    '20 [10, 30]'
    """
    return f"{100 * cell.mean:.0f} [{100 * (cell.ci_low or 0.0):.0f}, {100 * (cell.ci_high or 0.0):.0f}]"


def alpha_cells(rows: Sequence[AlphaValue]) -> list[tuple[str, ...]]:
    """Lines of the forecasts' table: strategy, cost, rho, read, gain, model."""
    return [
        (
            row.strategy,
            f"{row.cost_bps:.2f}",
            f"{row.rho:g}",
            "discounted" if row.calibrated else "as it is",
            gain_text(row.gain_bps),
            "" if row.model_bps is None else f"{row.model_bps:+.2f}",
        )
        for row in rows
    ]


ALPHA_HEADINGS = ("strategy", "cost", "rho", "read", "gain", "model")
POSTURE_HEADINGS = (
    "strategy",
    "risk state",
    "market",
    "mean",
    "change",
    "tail",
    "with",
    "tail cut, %",
    "CVaR cut, %",
)


POSTURE_LINE = ("strategy", "risk state", "mean", "change", "tail", "cut, %")


def posture_line(row: Figures) -> tuple[str, ...]:
    """A line that fits a terminal: strategy, posture, mean, its change, tail without and with, share cut."""
    change, cut = row.mean_change_bps, row.tail_cut
    low, high = change.ci_low or 0.0, change.ci_high or 0.0
    return (
        row.strategy,
        row.design,
        f"{row.mean:.1f}",
        f"{change.mean:+.1f} [{low:+.1f},{high:+.1f}]",
        f"{row.tail:.0f}>{row.tail_with:.0f}",
        share_text(cut).replace(", ", ","),
    )


def posture_cells(rows: Sequence[Figures]) -> list[tuple[str, ...]]:
    """Lines of the postures' table."""
    return [
        (
            row.strategy,
            row.design,
            "turns" if row.stressed else "calm",
            f"{row.mean:.2f}",
            gain_text(row.mean_change_bps),
            f"{row.tail:.0f}",
            f"{row.tail_with:.0f}",
            share_text(row.tail_cut),
            share_text(row.cvar_cut),
        )
        for row in rows
    ]


def alpha_page(
    drifted: Drifted, rows: Sequence[AlphaValue], facts: Mapping[str, object], footer: str
) -> str:
    """The page of the forecasts' value, as one string of HTML."""
    gains = {
        f"{row.strategy}, rho {row.rho:g}{', discounted' * row.calibrated}": row.gain_bps
        for row in rows
    }
    lead = (
        f"A planted drift moves the mid by {drifted.drift_bps:.1f} bps over the horizon in a third of the episodes, "
        f"against the same in another third; one episode's own noise is {drifted.sd_bps:.0f} bps."
    )
    sections = [
        Section(
            "Gain from a forecast",
            figures=[paired_differences(gains, "without a forecast", "alpha-worth")],
        ),
        Section("Table", html=plain_table(ALPHA_HEADINGS, alpha_cells(rows))),
    ]
    return render_page("What a forecast is worth", lead, sections, facts, footer)


def posture_page(
    effects: Sequence[Effect], rows: Sequence[Figures], facts: Mapping[str, object], footer: str
) -> str:
    """The page of the postures' value, as one string of HTML."""
    sections = []
    for stressed, title in ((True, "Tail cut when the market turns"), (False, "Tail cut in calm")):
        cuts = {
            f"{row.strategy}, {row.design}": row.tail_cut.times(100)
            for row in rows
            if row.stressed == stressed
        }
        figure = paired_differences(
            cuts, "without a risk state", f"posture-{'stress' if stressed else 'calm'}", "% of tail"
        )
        sections.append(Section(title, figures=[figure]))
    sections.append(Section("Table", html=plain_table(POSTURE_HEADINGS, posture_cells(rows))))
    last = effects[-1]
    lead = (
        f"In mid-order the market turns: depth to {last.depth:.2f} of what it was, volatility to {last.volatility:.1f} "
        f"times, spread to {last.spread:.1f} times, volume to {last.volume:.1f} times."
    )
    return render_page("What a risk state is worth", lead, sections, facts, footer)

"""The leak check of all sources of a configuration and its page; `leak_report` has the check of one source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tercel.core.errors import DataError
from tercel.core.progress import say
from tercel.core.records import Record
from tercel.core.report import palette
from tercel.core.report.page import Section, render_page, write_page
from tercel.core.report.svg import Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.signals.panel import build as panels
from tercel.signals.panel.leak_report import CEILING, LeakReport, leak_report
from tercel.signals.runs.config import PanelSection, SignalsConfig
from tercel.signals.sources.daily import SETTLES
from tercel.signals.sources.port import FrameSource, SignalSource, SourceAbsentError
from tercel.signals.sources.synthetic import synthetic_leak

STOCKS = "us-daily-ohlcv-2000-2017"
"""Folder of daily stocks in a folder of data sets."""
YEARS = 2
"""Days of daily prices that a check reads: a cross-section a day is slow to rank."""
STRENGTH = 0.2
STRENGTH_SYNTHETIC = 0.3
"""Strengths of synthetic leaks: beside files, in a synthetic market."""
FALSE = "planted, false time"
TRUE = "planted, true time"
NOT_PROVEN = (
    "A clean verdict is no proof: a leak weaker than the ceiling passes, so do one in the label, one that concerns few "
    "names or dates, a choice of the source after the fact, and survivors in the prices."
)


@dataclass(frozen=True)
class LeakLine(Record):
    """The verdict on a source of a panel, with its reason; "not judged" without a report."""

    source: str
    panel: str
    verdict: str
    reasons: tuple[str, ...]
    report: LeakReport | None = None

    def json_fields(self) -> dict[str, object]:
        """JSON fields: the report's figures, None without a report, and the source's name on the panel."""
        empty = ("column", "ic", "ic_one_period_later", "instant", "median_delay_s")
        own_fields: dict[str, object] = {
            key: value for key, value in vars(self).items() if key != "report"
        }
        if self.report is None:
            return {**own_fields, "profile": {}, **dict.fromkeys(empty)}
        return {**vars(self.report), **own_fields}


@dataclass(frozen=True)
class LeakCheck:
    """Verdicts on every source of some panels, what a clean verdict does not prove, and the page."""

    out: Path
    leak: list[LeakLine]
    not_proven: str
    report: Path


def leak_table(lines: Sequence[LeakLine]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Headings and rows of a leak check, for a terminal and a page."""
    rows = [(line.source, line.verdict, "; ".join(line.reasons)) for line in lines]
    return ("source", "verdict", "why"), rows


def profile_figure(reports: dict[str, LeakReport], name: str = "leak") -> Figure:
    """Lead-lag profiles beside each other, a panel each: what had happened (grey) and what had not."""

    with sketch(3.0) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(reports), sharey=False))
        for panel, (title, report) in zip(panels, reports.items(), strict=True):
            shifts = list(report.profile)
            bad = palette.BAD.token if report.verdict != "clean" else palette.GOOD.token
            colours = [palette.SOFT.token if shift <= 0 else bad for shift in shifts]
            panel.bar(shifts, [report.profile[shift] for shift in shifts], color=colours, width=0.7)
            panel.axhline(0, color=palette.SOFT.token, linewidth=0.9)
            panel.axvline(0.5, color=palette.INK.token, linewidth=0.9, linestyle=":")
            panel.set(title=f"{title}: {report.verdict}", xlabel="bar, periods from the known time")
        panels[0].set_ylabel("rank IC with the bar's return")

    summary = "; ".join(
        f"{title}: {report.verdict}, IC {report.ic.mean:+.3f}" for title, report in reports.items()
    )
    return finish_figure(
        drawing,
        name,
        f"Rank IC of a source with returns around its known time. {summary}.",
        "Right of the dotted line lies what had not happened when the source says it knew. Honest skill fades over "
        "several bars; a leak shows in one.",
    )


def check_sources(
    config: SignalsConfig, seed: int, synthetic: bool
) -> tuple[dict[str, LeakReport], dict[str, str]]:
    """Leak reports by source, and reasons why others cannot be judged; `synthetic`: two planted leaks are checked first."""
    ceiling = CEILING
    strength = STRENGTH
    ahead = config.panel.lag + config.panel.horizon
    if config.panel.kind == "synthetic":
        market = panels.market_of(config, seed)
        bars = market.prices
        closes = market.prices
        panel_sources = list[SignalSource](market.sources)
        # the skill in a synthetic market is far above any on a panel of real stocks: the ceiling follows it
        ceiling = max(CEILING, 2 * config.panel.strength)
        strength = STRENGTH_SYNTHETIC
    else:
        bars, panel_sources, closes = _recent_bars(config)
    sources, absent = panels.make_sources(config, closes)
    by_name = {
        source.name: source for source in (*panel_sources, *(source for source, _ in sources))
    }
    if synthetic:
        leaks = {FALSE: synthetic_leak(bars, seed, strength=strength)}
        leaks[TRUE] = synthetic_leak(bars, seed, strength=strength, falsified=False)
        by_name = leaks | by_name
    reports = dict[str, LeakReport]()
    unjudged = {name: f"absent: {reason}" for name, reason in absent.items()}
    ages = {source.name: age for source, age in sources}
    for name, source in by_name.items():
        say(f"leak check: {name}")
        try:
            reports[name] = leak_report(
                bars, source, ceiling=ceiling, seed=seed, max_age=ages.get(name), ahead=ahead
            )
        except SourceAbsentError as error:
            unjudged[name] = f"absent: {error.received}"
        except DataError as error:
            if name in (FALSE, TRUE):
                raise
            unjudged[name] = f"{error.expected}; received {error.received}"
    return reports, unjudged


def lines_of(
    config: SignalsConfig, reports: dict[str, LeakReport], unjudged: dict[str, str]
) -> list[LeakLine]:
    """Verdicts on the sources of a panel, a line each."""
    return [
        *(
            LeakLine(name, config.name, report.verdict, report.reasons, report)
            for name, report in reports.items()
        ),
        *(
            LeakLine(name, config.name, "not judged", (reason,))
            for name, reason in unjudged.items()
        ),
    ]


def _recent_bars(config: SignalsConfig) -> tuple[pl.DataFrame, list[SignalSource], pl.DataFrame]:
    """Daily bars of the last two years, dated as decisions are, the panel's own factors over them, and all closes."""
    source = panels.prices_of(config)
    prices = source.prices().filter(pl.col("date") <= pl.lit(config.panel.last).str.to_date())
    last: Any = prices["time"].max()
    recent = prices.filter(pl.col("time") > last - timedelta(days=365 * YEARS), pl.col("close") > 0)
    facts = source.facts_of(prices, recent["time"].unique())
    # a bar decided at the close cannot hold a fact that settles after it: bars are dated as decisions are
    bars = recent.select("instrument", pl.col("time") + 2 * SETTLES, "close")
    factors = FrameSource(source.name, source.columns, facts, config.panel.path)
    return bars, [factors], prices.select("instrument", "time", "close")


def configs_of(data: Path) -> list[SignalsConfig]:
    """Configurations that a folder of data sets allows to check: daily stocks, where they are there."""
    daily = data / STOCKS
    if not daily.exists():
        return []
    panel = PanelSection(kind="daily", path=str(daily), survivors=True)
    return [SignalsConfig(name="daily", panel=panel)]


def leak(configs: list[SignalsConfig], seed: int, folder: Path) -> LeakCheck:
    """Check every source of some configurations, synthetic leaks beside them; writes figures and a page."""
    rows = list[LeakLine]()
    sections = []
    for config in configs:
        reports, unjudged = check_sources(config, seed, synthetic=True)
        lines = lines_of(config, reports, unjudged)
        rows += lines
        source_names = list(reports)
        parts = [source_names[start : start + 3] for start in range(0, len(source_names), 3)]
        figures = [
            profile_figure({name: reports[name] for name in part}, f"leak-{config.name}-{number}")
            for number, part in enumerate(parts)
        ]
        sections.append(
            Section(
                f"On {config.name}",
                html=plain_table(*leak_table(lines), prose=True),
                figures=figures,
            )
        )
    caught = [line for line in rows if line.source == FALSE and line.verdict == "leak"]
    lead = f"{len(caught)} of {len(configs)} planted leaks are caught. {NOT_PROVEN}"
    page = render_page(
        "Do sources know the future?",
        lead,
        sections,
        {"seed": seed},
        "printed by: tercel signals leak",
    )
    result = LeakCheck(folder, rows, NOT_PROVEN, folder / "leak.html")
    write_page(folder, "leak", result, page)
    return result

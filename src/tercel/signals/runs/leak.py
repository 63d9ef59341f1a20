"""Leak checks of configured sources, planted leaks beside them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tercel.core.errors import DataError
from tercel.core.progress import say
from tercel.core.report.svg import Section, render, write_page
from tercel.core.report.tables import plain_table
from tercel.core.serialization import to_jsonable
from tercel.signals.leak import CEILING, LeakReport, leak_report, leak_table, profile_figure
from tercel.signals.runs import build as panels
from tercel.signals.runs.config import PanelSection, SignalsConfig, SourceSection
from tercel.signals.sources.daily import SETTLES
from tercel.signals.sources.port import FrameSource, SignalSource, SourceAbsentError
from tercel.signals.sources.synthetic import planted_leak

STOCKS = "us-daily-ohlcv-2000-2017"
"""Folder of daily stocks in a folder of data sets."""
YEARS = 2
"""Days of daily prices that a check reads: a cross-section a day is slow to rank."""
PLANTED, PLANTED_SYNTHETIC = 0.2, 0.3
"""Strengths of leaks that are planted: in files, in a synthetic market."""
FALSE, TRUE = "planted, false time", "planted, true time"
NOT_PROVEN = (
    "A clean verdict is no proof: a leak weaker than the ceiling passes, so do one in the label, one that concerns few "
    "names or dates, a choice of the source after the fact, and survivors in the prices."
)


def reports_of(
    config: SignalsConfig, seed: int, planted: bool
) -> tuple[dict[str, LeakReport], dict[str, str]]:
    """Reports by source, planted ones first, and sources that cannot be judged with the reason."""
    ceiling, strength, ahead = CEILING, PLANTED, config.panel.lag + config.panel.horizon
    if config.panel.kind == "synthetic":
        market = panels.market_of(config, seed)
        bars, closes, own = market.prices, market.prices, list[SignalSource](market.sources)
        # planted skill lies far above what is honest on a panel of real stocks: the ceiling follows it
        ceiling, strength = max(CEILING, 2 * config.panel.strength), PLANTED_SYNTHETIC
    else:
        bars, own, closes = _bars(config)
    sources, absent = panels.sources_of(config, closes)
    named = {source.name: source for source in (*own, *(source for source, _ in sources))}
    if planted:
        leaks = {FALSE: planted_leak(bars, seed, strength=strength)}
        leaks[TRUE] = planted_leak(bars, seed, strength=strength, falsified=False)
        named = leaks | named
    reports, unjudged = (
        dict[str, LeakReport](),
        {name: f"absent: {why}" for name, why in absent.items()},
    )
    ages = {source.name: age for source, age in sources}
    for name, source in named.items():
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


def leaks_of(config: SignalsConfig, seed: int, planted: bool) -> list[dict[str, Any]]:
    """Leak reports as plain values, one line a source."""
    return _lines(config, *reports_of(config, seed, planted))


def _lines(
    config: SignalsConfig, reports: dict[str, LeakReport], unjudged: dict[str, str]
) -> list[dict[str, Any]]:
    lines = [
        {**report.to_json(), "source": name, "panel": config.name}
        for name, report in reports.items()
    ]
    empty = dict.fromkeys(("column", "ic", "ic_one_period_later", "instant", "median_delay_s"))
    return lines + [
        {
            "source": name,
            "panel": config.name,
            "verdict": "not judged",
            "reasons": [why],
            "profile": {},
            **empty,
        }
        for name, why in unjudged.items()
    ]


def _bars(config: SignalsConfig) -> tuple[pl.DataFrame, list[SignalSource], pl.DataFrame]:
    """Daily bars of the last two years, dated as decisions are, the panel's own factors over them, and all closes."""
    source = panels.prices_of(config)
    prices = source.prices().filter(pl.col("date") <= pl.lit(config.panel.last).str.to_date())
    last: Any = prices["time"].max()
    recent = prices.filter(pl.col("time") > last - timedelta(days=365 * YEARS), pl.col("close") > 0)
    facts = source.facts_of(prices, recent["time"].unique())
    # a bar decided at the close cannot hold a fact that settles after it: bars are dated as decisions are
    bars = recent.select("instrument", pl.col("time") + 2 * SETTLES, "close")
    own = FrameSource(source.name, source.columns, facts, config.panel.path)
    return bars, [own], prices.select("instrument", "time", "close")


def configs_of(data: Path) -> list[SignalsConfig]:
    """Configurations that a folder of data sets allows to check: daily stocks with reports, where they are there."""
    daily, reports = data / STOCKS, str(data / "us-fundamentals-pit-2015-2017")
    if not daily.exists():
        return []
    source = SourceSection.model_validate(
        {"kind": "fundamentals", "path": reports, "drop_impossible": True}
    )
    panel = PanelSection(kind="daily", path=str(daily), survivors=True)
    return [SignalsConfig(name="daily", panel=panel, source=(source,))]


def leak(configs: list[SignalsConfig], seed: int, out: Path) -> dict[str, Any]:
    """Check every source of some configurations, planted leaks beside them; writes figures and a page."""
    rows, sections = [], []
    for config in configs:
        reports, unjudged = reports_of(config, seed, planted=True)
        lines = _lines(config, reports, unjudged)
        rows += lines
        names = list(reports)
        parts = [names[at : at + 3] for at in range(0, len(names), 3)]
        figures = [
            profile_figure({n: reports[n] for n in part}, f"leak-{config.name}-{at}")
            for at, part in enumerate(parts)
        ]
        sections.append(
            Section(
                f"On {config.name}",
                html=plain_table(*leak_table(lines), prose=True),
                figures=figures,
            )
        )
    caught = [one for one in rows if one["source"] == FALSE and one["verdict"] == "leak"]
    lead = f"{len(caught)} of {len(configs)} planted leaks are caught. {NOT_PROVEN}"
    page = render(
        "Do sources know the future?",
        lead,
        sections,
        {"seed": seed},
        "printed by: tercel signals leak",
    )
    result = {"out": out, "leak": rows, "not_proven": NOT_PROVEN, "report": out / "leak.html"}
    write_page(out, "leak", result, page)
    return dict(to_jsonable(result))

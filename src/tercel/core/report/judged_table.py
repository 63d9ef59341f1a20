"""The table of an evaluation: a row a strategy, for the terminal (Rich) and as HTML."""

import html
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tercel.core.estimate import Estimate, PairedGain
from tercel.core.report import palette
from tercel.core.report.cells import NOTHING, is_known
from tercel.core.report.formatting import (
    format_count,
    format_interval,
    format_number,
    format_percent,
)
from tercel.core.report.interval_text import (
    VERDICT_TEXTS,
    interval_values,
    known_mean,
    verdict,
    verdict_sentence,
)
from tercel.core.report.tables import missing_note, plain_table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

FEW_CLUSTERS = 20
"""Below this many clusters bootstrap intervals are known to be too narrow (Cameron, Gelbach and Miller 2008)."""
MIN_SHARE = 0.001
"""Share of lots that the book could not fill, or that a tape filled twice, beyond which a table says so."""
UNRANKED = 0.10
"""Share of lots without a counterparty beyond which a strategy's cost is that of the rule that prices them: neither ranked
nor compared."""
RARE = ("unfilled_share", "double_filled_share")


DIGITS = {"adaptability": 2, "messages_per_order": 0}
"""After the point, of columns that are no bps."""
PAIRED_HEADINGS = ("strategy", "against", "gain, bps", "after the correction")


BAR_WIDTH = 100
"""Units of the drawing of a cost to scale."""


@dataclass(frozen=True)
class Column:
    """A column of the table: key of the value, heading and note."""

    key: str
    heading: str
    note: str
    percent: bool = False


COLUMNS = (
    Column("is_bps", "cost", "implementation shortfall against the arrival mid, bps"),
    Column("kind_bps", "kind", "cost under the optimistic fill assumption, bps"),
    Column("strict_bps", "strict", "cost under the pessimistic fill assumption, bps"),
    Column(
        "undercut_bps", "undercut", "cost as strict, with better prices than the best undercut, bps"
    ),
    Column("optimistic_bps", "optimistic", "cost if every cancel was ahead of own orders, bps"),
    Column(
        "pessimistic_bps",
        "pessimistic",
        "cost if all that was shown at their price, then and later, was ahead of own orders, bps",
    ),
    Column("spread_bps", "spread", "paid when taking, earned when passive"),
    Column("impact_bps", "impact", "depth cost beyond the touch, and displacement by own trading"),
    Column("timing_bps", "timing", "what the market did meanwhile"),
    Column("forced_bps", "forced", "what was left at the horizon, sent at market"),
    Column("fees_bps", "fees", "fees"),
    Column("timing_risk_bps", "risk", "standard deviation of the cost"),
    Column("passive_share", "passive", "share of lots that were filled resting", percent=True),
    Column(
        "unfilled_share",
        "unfilled",
        "share of lots without a counterparty; a rule prices them",
        percent=True,
    ),
    Column(
        "double_filled_share",
        "twice",
        "share of lots filled by trades that the tape gave to others too",
        percent=True,
    ),
    Column(
        "adaptability",
        "adapt",
        "share of the decisions' variance that the market explains, 0 for a fixed schedule",
    ),
    Column("messages_per_order", "sent", "messages an order"),
)


@dataclass(frozen=True)
class JudgedTable:
    """Table of an evaluation: print it with Rich, or call :meth:`html`.

    Parameters
    ----------
    strategies : mapping of name to key to Estimate
        Missing keys are not available.
    best_baseline : str
    paired_vs_best_baseline : mapping of policy to PairedGain
        Positive is better.
    episodes, clusters : int
        Number of episodes, and of clusters for the intervals.
    cluster : str
        Kind of cluster: "episode seed", "day", "30-minute block of one day" ...
    notes : sequence of str
        Sentences under the table.
    title : str
        Heading over the printed table; a page has a heading of its own.
    learned : collection of str
        Trained policies, besides those whose names say so.
    judge : callable, optional
        "better", "worse" or "open" of a paired difference after the correction of all comparisons; by its interval
        alone if not given.
    paired : mapping of policy to opponent to PairedGain
        Gains that are listed one by one below; none by default.
    verdicts : mapping of policy to opponent to PairedGain
        Comparisons of the first sentences; by default the paired differences to the best baseline.
    conditions : mapping of policy to opponent to str
        What a gain of `verdicts` rests on, for the sentence on it.
    assumed : mapping of assumption to policy to PairedGain
        Gains on the benchmark with one assumption changed, in a table of their own.
    correlation : float, optional
        Of two strategies' costs in one episode, the median over pairs.
    listed_first : collection of str
        Strategies listed above the others, in a group of their own.
    caveat : str
        Caveat on all verdicts, the first sentence under the table.
    all_in : str
        Place of the columns that do not fit a terminal.
    benchmark_label : str
        Name of the benchmark in the printed column of gains.
    other_markets : sequence of JudgedTable
        Of other markets, shown below this one, without sentences of their own.
    """

    strategies: Mapping[str, Mapping[str, Estimate]]
    best_baseline: str
    paired_vs_best_baseline: Mapping[str, PairedGain]
    episodes: int
    clusters: int
    cluster: str = "episode seed"
    notes: Sequence[str] = field(default_factory=tuple)
    title: str = ""
    learned: Collection[str] = ()
    judge: Callable[[PairedGain], str] | None = None
    paired: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    assumed: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    correlation: float | None = None
    listed_first: Collection[str] = ()
    caveat: str = ""
    all_in: str = "its JSON"
    benchmark_label: str = "best"
    other_markets: "Sequence[JudgedTable]" = ()

    def _is_learned(self, name: str) -> bool:
        """Whether a strategy is a trained policy."""
        return name in self.learned or palette.is_learned(name)

    @property
    def names(self) -> list[str]:
        """Strategies in the order of rows: those of `listed_first`, then by cost; those that cannot be ranked last."""
        costs = {
            name: None
            if (known_mean(row.get("unfilled_share")) or 0.0) > UNRANKED
            else known_mean(row.get("is_bps"))
            for name, row in self.strategies.items()
        }
        return sorted(
            costs,
            key=lambda name: (
                name not in self.listed_first,
                costs[name] is None,
                costs[name] or 0.0,
            ),
        )

    @property
    def columns(self) -> list[Column]:
        """Columns with any known value: `fees` only if one is not 0, those of `RARE` only if one exceeds `MIN_SHARE`."""
        return [
            column
            for column in COLUMNS
            for known in [[known_mean(row.get(column.key)) for row in self.strategies.values()]]
            if any(value is not None for value in known)
            and (column.key != "fees_bps" or any(known))
            and (column.key not in RARE or any((value or 0.0) > MIN_SHARE for value in known))
        ]

    @property
    def digits(self) -> int:
        """Digits after the point of values in bps: 2, more if half of the intervals of costs need them."""
        widths = sorted(
            cost.ci_high - cost.ci_low
            for row in self.strategies.values()
            if (cost := row.get("is_bps")) and cost.ci_low is not None and cost.ci_high is not None
            if cost.ci_high > cost.ci_low
        )
        return min(4, max(2, 1 - math.floor(math.log10(widths[len(widths) // 2])))) if widths else 2

    def sentences(self) -> Iterator[str]:
        """Sentences below the table: a caveat and verdicts first, definitions of the numbers last."""
        if self.caveat:
            yield self.caveat
        default = {
            name: {self.best_baseline: gain} for name, gain in self.paired_vs_best_baseline.items()
        }
        for policy, gains in (self.verdicts or default).items():
            yield verdict_sentence(
                policy, gains, self.digits, self.judge, self.conditions.get(policy)
            )
        yield from self.notes
        if self.clusters < FEW_CLUSTERS:
            only = f"Only {format_count(self.clusters, 'cluster')}"
            yield f"{only}, fewer than {FEW_CLUSTERS}: the intervals are too narrow."
        if all(known_mean(row.get("impact_bps")) is None for row in self.strategies.values()):
            yield "Impact is not separated here: depth cost counts as spread, what prices did as timing."
        shared = ""
        if self.correlation is not None:
            shared = f"; costs of two strategies in one episode correlate at {self.correlation:.2f} (median over pairs)"
        yield (
            "bps of the order's value at arrival, mean [95 % interval]; "
            f"{format_count(self.episodes, 'paired episode')}, effective sample "
            f"{format_count(self.clusters, 'cluster')} ({self.cluster}){shared}."
        )

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield for Rich: the table that fits, a note on columns left out, other markets, paired gains, the sentences."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        yield self.table(options.max_width)
        fitting, versus = self._fit_columns(options.max_width)
        missing = [column.heading for column in self.columns if column not in fitting]
        if self.paired_vs_best_baseline and not versus:
            missing.append(f"vs {self.benchmark_label}")
        if missing:
            yield Text(missing_note(missing, self.all_in), style="dim")
        yield from (market_table.table(options.max_width) for market_table in self.other_markets)
        if self.paired:
            paired_table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
            for position, heading in enumerate(PAIRED_HEADINGS):
                paired_table.add_column(
                    heading,
                    justify="right" if position == PAIRED_HEADINGS.index("gain, bps") else "left",
                )
            for row in self._paired_rows():
                paired_table.add_row(*map(Text, row))
            yield paired_table
        if self.assumed:
            assumed_table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
            for position, heading in enumerate(self.assumed_headings):
                assumed_table.add_column(heading, justify="right" if position else "left")
            for row in self.assumed_rows():
                assumed_table.add_row(*map(Text, row))
            yield assumed_table
        for number, sentence in enumerate(self.sentences()):
            yield Text(sentence, style="" if number else "dim")

    def table(self, width: int = 120) -> "Table":
        """Rich table for a width of `width` characters; less important columns are dropped first, the cost never."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        fitting, versus = self._fit_columns(width)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        if self.title:
            table.title = Text(self.title)
            table.title_justify = "left"
            table.title_style = "bold"
        table.add_column("strategy", no_wrap=True)
        gains = f"vs {self.benchmark_label}"
        for heading in [column.heading for column in fitting] + [gains] * versus:
            table.add_column(heading, justify="right", no_wrap=True)
        for name in self.names:
            cells = [
                Text(self._label(name)),
                *(Text(self._cell(name, column)) for column in fitting),
            ]
            if versus:
                cells.append(Text(self._versus(name), style=self._colour(name)))
            ends = (
                name in self.listed_first
                and name == [leading for leading in self.names if leading in self.listed_first][-1]
            )
            table.add_row(
                *cells, style="bold" if self._is_learned(name) else None, end_section=ends
            )
        caption = f"* benchmark ({self.best_baseline})"
        table.caption = Text(
            caption + f"; {gains}: paired gain in bps, positive is better" * versus
        )
        table.caption_justify = "left"
        return table

    def _fit_columns(self, width: int) -> tuple[list[Column], bool]:
        """Columns that fit into `width` characters, in the order of the table, and whether the paired differences do.

        They are taken in the order in which a reader would miss them, the optimistic cost never without the pessimistic one.
        Each costs its cells and three characters.
        """
        priority = (
            "is_bps",
            "kind_bps",
            "strict_bps",
            "undercut_bps",
            "pessimistic_bps",
            "optimistic_bps",
            "passive_share",
            *RARE,
            "timing_risk_bps",
            "spread_bps",
            "impact_bps",
            "timing_bps",
            "forced_bps",
        )
        rank = {
            key: position
            for position, key in enumerate(
                (*priority, "adaptability", "messages_per_order", "fees_bps")
            )
        }

        def need(heading: str, cells: Sequence[str]) -> int:
            """Characters that a column takes."""
            return max(len(heading), *map(len, cells)) + 3 if cells else len(heading) + 3

        remaining = width - need("strategy", [self._label(name) for name in self.names])
        fitting = []
        versus = False
        for column in sorted(self.columns, key=lambda column: rank[column.key]):
            room = need(column.heading, [self._cell(name, column) for name in self.names])
            is_one_sided = column.key == "optimistic_bps" and "pessimistic_bps" in {
                other.key for other in self.columns if other not in fitting
            }
            if (room <= remaining and not is_one_sided) or column.key == "is_bps":
                fitting.append(column)
                remaining -= room
            if column.key == "is_bps":
                room = need(
                    f"vs {self.benchmark_label}", [self._versus(name) for name in self.names]
                )
                versus = bool(self.paired_vs_best_baseline) and room <= remaining
                remaining -= room * versus
        return sorted(fitting, key=COLUMNS.index), versus

    def _label(self, name: str) -> str:
        """Name of a strategy, with a star if it is the best baseline."""
        return f"{name} *" if name == self.best_baseline else name

    def _cell(self, name: str, column: Column) -> str:
        """Text of a strategy's value in a column: the cost with its interval, any other as its mean."""
        interval = self.strategies[name].get(column.key)
        if column.percent:
            mean = known_mean(interval)
            if mean is None:
                return NOTHING
            is_small = column.key in RARE and 0 < mean < 0.1
            return f"{100 * mean:.2g} %" if is_small else format_percent(mean)
        if column.key == "is_bps":
            return format_interval(interval, digits=self.digits)
        return format_number(known_mean(interval), DIGITS.get(column.key, self.digits))

    def _paired_rows(self) -> list[list[str]]:
        """Rows of the table of paired gains (`PAIRED_HEADINGS`), one for each policy and opponent."""
        return [
            [
                name,
                self._label(opponent),
                format_interval(gain, signed=True, digits=self.digits),
                VERDICT_TEXTS[(self.judge or verdict)(gain)],
            ]
            for name, row in self.paired.items()
            for opponent, gain in row.items()
        ]

    @property
    def assumed_headings(self) -> tuple[str, ...]:
        """Headings of the table of gains under other assumptions: one column for each policy."""
        policies = dict.fromkeys(name for row in self.assumed.values() for name in row)
        return (f"gain on {self.benchmark_label} if", *policies)

    def assumed_rows(self) -> list[list[str]]:
        """Rows of the table of gains under other assumptions (`assumed_headings`), one for each assumption."""
        return [
            [
                label,
                *(
                    format_interval(row.get(name), signed=True, digits=self.digits)
                    for name in self.assumed_headings[1:]
                ),
            ]
            for label, row in self.assumed.items()
        ]

    def _versus(self, name: str) -> str:
        """A strategy's paired gain over the best baseline as text; "" without one."""
        interval = self.paired_vs_best_baseline.get(name)
        return (
            "" if interval is None else format_interval(interval, signed=True, digits=self.digits)
        )

    def _colour(self, name: str) -> str:
        """Rich colour name of a strategy's paired gain: green better, red worse, yellow open or without a gain."""
        gain = self.paired_vs_best_baseline.get(name)
        outcome = "open" if gain is None else (self.judge or verdict)(gain)
        return {"better": "green", "worse": "red", "open": "yellow"}[outcome]

    def brief_html(self) -> str:
        """Short HTML table, one line per strategy without notes: the gain first, then the cost, both with intervals."""
        return self._html(brief=True)

    def html(self) -> str:
        """HTML: the table with all columns and intervals, costs drawn to one scale; paired gains one by one; the sentences."""
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences())
        paired = plain_table(PAIRED_HEADINGS, self._paired_rows()) if self.paired else ""
        assumed = plain_table(self.assumed_headings, self.assumed_rows()) if self.assumed else ""
        return f'{self._html()}{paired}{assumed}<ul class="notes">{items}</ul>'

    def _html(self, brief: bool = False) -> str:
        """HTML of the table, short or full."""
        units = {
            column: ", bps" * (not column.percent and column.key not in DIGITS)
            for column in self.columns
        }
        heads = [
            f'<th scope="col" title="{html.escape(c.note)}">{c.heading}{unit}</th>'
            for c, unit in units.items()
        ]
        gain = f"paired gain over {html.escape(self.best_baseline)}, bps; positive is better"
        heads.insert(0, f'<th scope="col" title="{gain}">vs best, bps</th>')
        heads.insert(2, f'<th scope="col" class="plot">cost, to scale{self._axis()}</th>')
        rows = "".join(self._html_row(name, brief) for name in self.names)
        return (
            '<div class="scroll" tabindex="0" role="group" aria-label="Judged table">'
            f'<table class="judged{" brief" * brief}">'
            f'<thead><tr><th scope="col">strategy</th>{"".join(heads)}</tr></thead><tbody>{rows}</tbody></table></div>'
        )

    def _html_row(self, name: str, brief: bool) -> str:
        """HTML row of a strategy."""
        kind = "learned" if self._is_learned(name) else "best" if name == self.best_baseline else ""
        mark = ' <span class="mark">benchmark</span>' if name == self.best_baseline else ""
        cells = [f"<td>{self._html_cell(name, column, brief)}</td>" for column in self.columns]
        versus = self.paired_vs_best_baseline.get(name)
        gain = (
            ""
            if versus is None
            else _html_interval(versus, self.digits, signed=True, is_beside=brief)
        )
        outcome = (self.judge or verdict)(versus) if versus is not None else ""
        cells.insert(0, f'<td class="{outcome}">{gain}</td>')
        cells.insert(2, f'<td class="plot">{self._bar(name)}</td>')
        return f'<tr class="{kind}"><th scope="row">{html.escape(name)}{mark}</th>{"".join(cells)}</tr>'

    def _html_cell(self, name: str, column: Column, brief: bool) -> str:
        """HTML of a strategy's value in a column, with its interval; with `brief` only the cost has one."""
        interval = self.strategies[name].get(column.key)
        if brief and column.key != "is_bps":
            return self._cell(name, column)
        if column.percent:
            return _html_interval(interval and interval.times(100), 1, unit=" %")
        return _html_interval(interval, DIGITS.get(column.key, self.digits), is_beside=brief)

    def _bar(self, name: str) -> str:
        """SVG of a strategy's cost and interval on the scale of all strategies, with zero marked; "" without a cost."""
        mean, low, high = interval_values(self.strategies[name].get("is_bps"))
        if not is_known(mean):
            return ""
        zero, center, start, end = (
            self._place(value if is_known(value) else mean) for value in (0.0, mean, low, high)
        )
        return (
            f'<svg viewBox="0 0 {BAR_WIDTH} 16" class="bar" aria-hidden="true">'
            f'<line x1="{zero}" y1="0" x2="{zero}" y2="16" class="zero"/>'
            f'<line x1="{start}" y1="8" x2="{end}" y2="8" class="ci"/>'
            f'<circle cx="{center}" cy="8" r="3.2"/></svg>'
        )

    def _axis(self) -> str:
        """SVG of the axis of the bars: a tick and its number, bps, at zero and at both ends; "" without costs."""
        if not any(self._cost_span):
            return ""
        ticks = ""
        for value in sorted({0.0, *self._cost_span}):
            place = self._place(value)
            anchor = "start" if place < BAR_WIDTH / 3 else "end"
            ticks += (
                f'<line x1="{place}" y1="13" x2="{place}" y2="18" class="zero"/>'
                f'<text x="{place}" y="11" text-anchor="{anchor}">{value:.3g}</text>'
            )
        return (
            f'<svg viewBox="0 0 {BAR_WIDTH} 18" class="bar axis" aria-hidden="true">{ticks}</svg>'
        )

    @cached_property
    def _cost_span(self) -> tuple[float, float]:
        """Least and largest bound of the costs of all strategies, and 0, bps."""
        values = [
            value
            for row in self.strategies.values()
            for value in interval_values(row.get("is_bps"))
            if is_known(value)
        ]
        return min([0.0, *values]), max([0.0, *values])

    def _place(self, value: float) -> float:
        """Horizontal place of a cost in a bar's drawing, 4 units from both of its ends."""
        left, right = self._cost_span
        return round(4 + (BAR_WIDTH - 8) * (value - left) / ((right - left) or 1.0), 2)


def _html_interval(
    interval: Estimate | None,
    digits: int,
    signed: bool = False,
    unit: str = "",
    is_beside: bool = False,
) -> str:
    """HTML of an estimate with its interval (low … high) below the number or beside it; a dash without a mean."""
    mean, low, high = (
        format_number(value, digits, signed=signed) for value in interval_values(interval)
    )
    number = mean if mean == NOTHING else mean + unit
    if NOTHING in (low, high):
        return number
    return f'{number}<span class="{"ci beside" if is_beside else "ci"}">{low} … {high}</span>'

"""The table of an evaluation, for a terminal and for a page: a missing value is a dash, never zero."""

import html
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tercel.core.estimate import Estimate, PairedGain
from tercel.core.report import svg
from tercel.core.report.cells import NOTHING, are_words, digits_of, is_known, shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table


FEW_CLUSTERS = 20
"""Below this many clusters bootstrap intervals are known to be too narrow (Cameron, Gelbach and Miller 2008)."""

IDLE = (None, "", 0, "0", "0.0", "0.00", NOTHING)
"""Cells that say nothing."""


LONG = 28
"""Letters from which a cell may be of several lines."""
MANY = 12
"""Columns from which a table is set smaller."""
MUCH = 0.001
"""Share of lots that the book could not fill, or that a tape filled twice, beyond which a table says so."""
UNRANKED = 0.10
"""Share of lots without a counterparty beyond which a strategy's cost is that of the rule that prices them: neither ranked
nor compared."""
RARE = ("unfilled_share", "double_filled_share")


def missing_note(headings: Sequence[str], all_in: str = "its JSON") -> str:
    """Note on columns that do not fit the terminal, and where all of them are.

    >>> missing_note(["risk", "fees"])
    'left out: risk, fees (a wider terminal shows more, its JSON has all)'
    """
    return f"left out: {', '.join(headings)} (a wider terminal shows more, {all_in} has all)"


@dataclass(frozen=True)
class Column:
    """An evaluated key, its heading and its note."""

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


DIGITS = {"adaptability": 2, "messages_per_order": 0}
"""After the point, of columns that are no bps."""


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
    called : callable, optional
        "better", "worse" or "open" of a paired difference after the correction of all comparisons; by its interval
        alone if not given.
    paired : mapping of policy to opponent to PairedGain
        Gains that are listed one by one below; none by default.
    verdicts : mapping of policy to opponent to PairedGain
        Comparisons of the first sentences; by default the paired differences to the best baseline.
    correlation : float, optional
        Of two strategies' costs in one episode, the median over pairs.
    first : collection of str
        Strategies listed above the others, in a group of their own.
    caveat : str
        Caveat on all verdicts, the first sentence under the table.
    all_in : str
        Place of the columns that do not fit a terminal.
    beside : str
        Name of the benchmark in the printed column of gains.
    others : sequence of JudgedTable
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
    called: Callable[[PairedGain], str] | None = None
    paired: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    correlation: float | None = None
    first: Collection[str] = ()
    caveat: str = ""
    all_in: str = "its JSON"
    beside: str = "best"
    others: "Sequence[JudgedTable]" = ()

    def _is_learned(self, name: str) -> bool:
        return name in self.learned or svg.is_learned(name)

    @property
    def names(self) -> list[str]:
        """Strategies: those of `first`, then the rest; cheapest first, those that cannot be ranked or without a mean last."""
        costs = {
            name: None
            if (_number(row.get("unfilled_share")) or 0.0) > UNRANKED
            else _number(row.get("is_bps"))
            for name, row in self.strategies.items()
        }
        return sorted(
            costs,
            key=lambda name: (name not in self.first, costs[name] is None, costs[name] or 0.0),
        )

    @property
    def columns(self) -> list[Column]:
        """Columns with values; `fees` only if any is not 0, those of `RARE` only if any is above `MUCH`."""
        return [
            column
            for column in COLUMNS
            for known in [[_number(row.get(column.key)) for row in self.strategies.values()]]
            if any(value is not None for value in known)
            and (column.key != "fees_bps" or any(known))
            and (column.key not in RARE or any((value or 0.0) > MUCH for value in known))
        ]

    @property
    def digits(self) -> int:
        """Digits after the point of bps: 2, more where half of the costs' intervals need them."""
        widths = sorted(
            one.ci_high - one.ci_low
            for row in self.strategies.values()
            if (one := row.get("is_bps")) and one.ci_low is not None and one.ci_high is not None
            if one.ci_high > one.ci_low
        )
        return min(4, max(2, 1 - math.floor(math.log10(widths[len(widths) // 2])))) if widths else 2

    def sentences(self) -> Iterator[str]:
        """Sentences under the table: a caveat and verdicts first, definitions of the numbers last."""
        if self.caveat:
            yield self.caveat
        default = {
            name: {self.best_baseline: one} for name, one in self.paired_vs_best_baseline.items()
        }
        for policy, gains in (self.verdicts or default).items():
            yield verdict_sentence(policy, gains, self.digits, self.called)
        yield from self.notes
        if self.clusters < FEW_CLUSTERS:
            only = f"Only {self.clusters} cluster{'s' * (self.clusters != 1)}"
            yield f"{only}, fewer than {FEW_CLUSTERS}: the intervals are too narrow."
        if all(_number(row.get("impact_bps")) is None for row in self.strategies.values()):
            yield "Impact is not separated here: depth cost counts as spread, what prices did as timing."
        shared = ""
        if self.correlation is not None:
            shared = f"; costs of two strategies in one episode correlate at {self.correlation:.2f} (median over pairs)"
        yield (
            f"bps of the order's value at arrival, mean [95 % interval]; {self.episodes:,} paired episode"
            f"{'s' * (self.episodes != 1)}, effective sample {self.clusters:,} cluster{'s' * (self.clusters != 1)} "
            f"({self.cluster}){shared}."
        )

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        yield self.table(options.max_width)
        shown, versus = self._fitting(options.max_width)
        missing = [column.heading for column in self.columns if column not in shown]
        if self.paired_vs_best_baseline and not versus:
            missing.append(f"vs {self.beside}")
        if missing:
            yield Text(missing_note(missing, self.all_in), style="dim")
        yield from (other.table(options.max_width) for other in self.others)
        if self.paired:
            listed = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
            for place, heading in enumerate(PAIRED):
                listed.add_column(
                    heading, justify="right" if place == PAIRED.index("gain, bps") else "left"
                )
            for row in self._paired_rows():
                listed.add_row(*map(Text, row))
            yield listed
        for number, sentence in enumerate(self.sentences()):
            yield Text(sentence, style="" if number else "dim")

    def table(self, width: int = 120) -> "Table":
        """Rich table that fits `width` characters: columns of second rank leave first, the cost stays to the last."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        shown, versus = self._fitting(width)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        if self.title:
            table.title = Text(self.title)
            table.title_justify = "left"
            table.title_style = "bold"
        table.add_column("strategy", no_wrap=True)
        gains = f"vs {self.beside}"
        for heading in [column.heading for column in shown] + [gains] * versus:
            table.add_column(heading, justify="right", no_wrap=True)
        for name in self.names:
            cells = [Text(self._label(name)), *(Text(self._cell(name, column)) for column in shown)]
            if versus:
                cells.append(Text(self._versus(name), style=self._colour(name)))
            ends = (
                name in self.first and name == [one for one in self.names if one in self.first][-1]
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

    def _fitting(self, width: int) -> tuple[list[Column], bool]:
        """Columns that fit, in the table's order, and whether the paired differences do.

        They are taken in the order in which a reader would miss them. Each costs its cells and three characters.
        """
        wanted = (
            "is_bps",
            "kind_bps",
            "strict_bps",
            "undercut_bps",
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
                (*wanted, "adaptability", "messages_per_order", "fees_bps")
            )
        }

        def need(heading: str, cells: Sequence[str]) -> int:
            return max(len(heading), *map(len, cells)) + 3 if cells else len(heading) + 3

        left = width - need("strategy", [self._label(name) for name in self.names])
        chosen, versus = [], False
        for column in sorted(self.columns, key=lambda column: rank[column.key]):
            room = need(column.heading, [self._cell(name, column) for name in self.names])
            if room <= left or column.key == "is_bps":
                chosen.append(column)
                left -= room
            if column.key == "is_bps":
                room = need(f"vs {self.beside}", [self._versus(name) for name in self.names])
                versus = bool(self.paired_vs_best_baseline) and room <= left
                left -= room * versus
        return sorted(chosen, key=COLUMNS.index), versus

    def _label(self, name: str) -> str:
        return f"{name} *" if name == self.best_baseline else name

    def _cell(self, name: str, column: Column) -> str:
        interval = self.strategies[name].get(column.key)
        if column.percent:
            mean = _number(interval)
            if mean is None:
                return NOTHING
            few = column.key in RARE and 0 < mean < 0.1
            return f"{100 * mean:.2g} %" if few else f"{100 * mean:.0f} %"
        if column.key == "is_bps":
            return spelt(interval, digits=self.digits)
        return fixed(_number(interval), DIGITS.get(column.key, self.digits))

    def _paired_rows(self) -> list[list[str]]:
        """A row of `PAIRED` for each policy and opponent."""
        return [
            [
                name,
                self._label(other),
                spelt(one, "+", self.digits),
                CALLED[(self.called or verdict)(one)],
            ]
            for name, row in self.paired.items()
            for other, one in row.items()
        ]

    def _versus(self, name: str) -> str:
        interval = self.paired_vs_best_baseline.get(name)
        return "" if interval is None else spelt(interval, "+", self.digits)

    def _colour(self, name: str) -> str:
        gain = self.paired_vs_best_baseline.get(name)
        found = "open" if gain is None else (self.called or verdict)(gain)
        return {"better": "green", "worse": "red", "open": "yellow"}[found]

    def brief_html(self) -> str:
        """One line per strategy, without notes: the gain first, beside the name on a narrow screen too, then the cost;
        intervals of these two alone."""
        return self._html(brief=True)

    def html(self) -> str:
        """The table as HTML: every key with its interval, the cost drawn to one scale, the gain beside it."""
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences())
        paired = plain_table(PAIRED, self._paired_rows()) if self.paired else ""
        return f'{self._html()}{paired}<ul class="notes">{items}</ul>'

    def _html(self, brief: bool = False) -> str:
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
        heads.insert(2, '<th scope="col" class="plot">cost, to scale</th>')
        rows = "".join(self._html_row(name, brief) for name in self.names)
        return (
            '<div class="scroll" tabindex="0" role="region" aria-label="Judged table">'
            f'<table class="judged{" brief" * brief}">'
            f'<thead><tr><th scope="col">strategy</th>{"".join(heads)}</tr></thead><tbody>{rows}</tbody></table></div>'
        )

    def _html_row(self, name: str, brief: bool) -> str:
        kind = "learned" if self._is_learned(name) else "best" if name == self.best_baseline else ""
        mark = ' <span class="mark">benchmark</span>' if name == self.best_baseline else ""
        cells = [f"<td>{self._html_cell(name, column, brief)}</td>" for column in self.columns]
        versus = self.paired_vs_best_baseline.get(name)
        gain = (
            "" if versus is None else _html_interval(versus, self.digits, signed=True, beside=brief)
        )
        found = (self.called or verdict)(versus) if versus is not None else ""
        cells.insert(0, f'<td class="{found}">{gain}</td>')
        cells.insert(2, f'<td class="plot">{self._bar(name)}</td>')
        return f'<tr class="{kind}"><th scope="row">{html.escape(name)}{mark}</th>{"".join(cells)}</tr>'

    def _html_cell(self, name: str, column: Column, brief: bool) -> str:
        interval = self.strategies[name].get(column.key)
        if brief and column.key != "is_bps":
            return self._cell(name, column)
        if column.percent:
            return _html_interval(interval and interval.times(100), 1, unit=" %")
        return _html_interval(interval, DIGITS.get(column.key, self.digits), beside=brief)

    def _bar(self, name: str) -> str:
        """The cost and its interval as a small drawing on the scale of all strategies, zero marked."""
        every = [
            v
            for row in self.strategies.values()
            for v in _numbers(row.get("is_bps"))
            if is_known(v)
        ]
        mean, low, high = _numbers(self.strategies[name].get("is_bps"))
        if not every or not is_known(mean):
            return ""
        left, right = min(0.0, *every), max(0.0, *every)
        span = (right - left) or 1.0

        def x(value: float | None) -> float:
            return round(4 + 112 * ((value if is_known(value) else mean) - left) / span, 2)

        return (
            '<svg viewBox="0 0 120 16" class="bar" aria-hidden="true">'
            f'<line x1="{x(0)}" y1="0" x2="{x(0)}" y2="16" class="zero"/>'
            f'<line x1="{x(low)}" y1="8" x2="{x(high)}" y2="8" class="ci"/>'
            f'<circle cx="{x(mean)}" cy="8" r="3.2"/></svg>'
        )


def verdict(interval: Estimate) -> str:
    """ "better" or "worse" where the interval excludes zero, "open" where it holds it or is not known.

    >>> verdict(Estimate(1.0, 0.2, 1.8)), verdict(Estimate(1.0, -0.2, 2.2))
    ('better', 'open')
    """
    if is_known(interval.ci_low) and interval.ci_low > 0:
        return "better"
    return "worse" if is_known(interval.ci_high) and interval.ci_high < 0 else "open"


CALLED = {"better": "cheaper", "worse": "more expensive", "open": "no significant difference"}
BESIDE = {
    "better": "cheaper than",
    "worse": "more expensive than",
    "open": "no significant difference to",
}
PAIRED = ("strategy", "against", "gain, bps", "after the correction")


def verdict_sentence(
    policy: str,
    gains: Mapping[str, PairedGain],
    digits: int = 2,
    called: Callable[[PairedGain], str] | None = None,
) -> str:
    """A sentence that compares a policy with others: by the intervals of its gains, or as they are `called`.

    What could have been found is said where nothing was, and where it is known (`power`).

    >>> verdict_sentence("mine", {"pov": PairedGain(0.1, -0.2, 0.4, power=0.43)})[:71]
    'mine: no significant difference to pov (gain +0.10 [-0.20, +0.40] bps; '
    >>> verdict_sentence("mine", {"random": PairedGain(2.0, 1.0, 3.0)})
    'mine: cheaper than random (gain +2.00 [+1.00, +3.00] bps).'
    """
    parts = []
    for other, gain in gains.items():
        call, least = (called or verdict)(gain), gain.power
        power = f"; a true gain of {fixed(least, digits)} would have been detected with 80 % power"
        power *= call == "open" and is_known(least)
        parts.append(f"{BESIDE[call]} {other} (gain {spelt(gain, '+', digits)} bps{power})")
    return f"{policy}: {', '.join(parts)}."


def plain_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    caption: str = "",
    prose: bool = False,
) -> str:
    """Any small table as HTML: first column named, numbers aligned right, words left (`prose`: all), all escaped.

    A column of floats is shown with as many digits after the point as its largest has to four figures and its smallest
    to two; each by itself where they lie too far apart. None is a dash.
    """
    columns = [[row[place] for row in rows if place < len(row)] for place in range(len(headings))]
    digits = [digits_of(column) for column in columns]
    left = [' class="left"' * are_words(column) for column in columns]
    head = "".join(
        f'<th scope="col"{at}>{html.escape(name)}</th>'
        for name, at in zip(headings, left, strict=True)
    )
    body = ""
    for row in rows:
        first, *others = (shown(value, places) for value, places in zip(row, digits, strict=False))
        kinds = (
            ' class="words"' if len(cell) > LONG else at
            for cell, at in zip(others, left[1:], strict=False)
        )
        cells = (
            f'<td{kind} data-head="{html.escape(name)}">{cell}</td>'
            for cell, kind, name in zip(others, kinds, headings[1:], strict=False)
        )
        body += f'<tr><th scope="row">{first}</th>{"".join(cells)}</tr>'
    named = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    kind = ' class="prose"' if prose else ' class="wide"' if len(headings) > MANY else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption or "Table", quote=True)}">'
        f"<table{kind}>{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def without_idle(
    rows: Sequence[Mapping[str, Any]], columns: Collection[str]
) -> list[dict[str, Any]]:
    """Rows by heading, without those of some columns that say nothing in any of them.

    >>> without_idle([{"parent": "a", "refused": 0, "limit": 5.0}], ("refused", "limit"))
    [{'parent': 'a', 'limit': 5.0}]
    """
    idle = {key for key in columns if all(row.get(key) in IDLE for row in rows)}
    return [{key: value for key, value in row.items() if key not in idle} for row in rows]


def _number(interval: Estimate | None) -> float | None:
    return interval.mean if interval is not None and is_known(interval.mean) else None


def _numbers(interval: Estimate | None) -> tuple[float | None, float | None, float | None]:
    return (
        (None, None, None)
        if interval is None
        else (interval.mean, interval.ci_low, interval.ci_high)
    )


def fixed(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """A number with `digits` decimals; no minus sign before zero; a dash for a missing value.

    >>> fixed(-0.001), fixed(1.5, signed=True), fixed(None)
    ('0.00', '+1.50', '–')
    """
    if value is None or not is_known(value):
        return NOTHING
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}"


def spelt(interval: Estimate | None, sign: str = "", digits: int = 2) -> str:
    """A number with its interval; `sign` "+" shows the sign of positive numbers too.

    >>> spelt(Estimate(0.5, -0.001, 0.75), "+")
    '+0.50 [0.00, +0.75]'
    """
    mean, low, high = (fixed(value, digits, sign == "+") for value in _numbers(interval))
    return mean if NOTHING in (low, high) else f"{mean} [{low}, {high}]"


def spelt_cell(cell: Mapping[str, Any], sign: str = "", digits: int = 2) -> str:
    """The same for a JSON object with `mean`, `ci_low`, `ci_high`; a dash without a mean."""
    return spelt(Estimate.of(cell), sign, digits)


def _html_interval(
    interval: Estimate | None,
    digits: int,
    signed: bool = False,
    unit: str = "",
    beside: bool = False,
) -> str:
    mean, low, high = (fixed(value, digits, signed) for value in _numbers(interval))
    number = mean if mean == NOTHING else mean + unit
    if NOTHING in (low, high):
        return number
    return f'{number}<span class="{"ci beside" if beside else "ci"}">{low} … {high}</span>'

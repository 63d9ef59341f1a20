"""The result of a fit: what each stage adds, which is kept and why, as a table, sentences and a page."""

from dataclasses import dataclass
from typing import Any, Final

from tercel.core.estimate import Estimate
from tercel.core.report import palette
from tercel.core.report.formatting import (
    format_count,
    format_interval,
    format_number,
    format_percent,
)
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.core.serialization import to_jsonable
from tercel.execution.task import Task
from tercel.lab.fitting.gains import CLAIM_DAYS, StageGain

HEADINGS: Final = (
    "stage",
    "cost",
    "saves on the best rule",
    "if resting fills move no price",
    "adds",
    "forecast is worth",
    "smallest gain to show",
    "unfilled lots",
)
DESCRIPTIONS: Final = {
    "shipped": "the agent `default` that comes with Tercel, its costs calibrated on these days",
    "fitted": "the same with a forecaster and weights of these days",
    "trained": "a policy trained on these days",
}


@dataclass(frozen=True)
class Fit:
    """An agent fitted to a user's own days: what each stage saves on days that it has not seen, and the one that is kept.

    Parameters
    ----------
    symbol : str
    task : Task
        The orders.
    days : tuple of str
    orders : int
        Judged orders, on all days.
    stages : tuple of StageGain
        The simplest first.
    kept : str
        Name of the stage that the policy in the folder is.
    command : str
        The command that trades it.
    rules : tuple of str
        The best rule of each block of days.

    >>> none = Estimate(0.1, -0.4, 0.6)
    >>> stage = StageGain("shipped", 9.9, none, none, None, none, 0.7, 0.0)
    >>> found = Fit("IBM", Task(), ("2003-01-13", "2003-01-14"), 48, (stage,), "shipped", "tercel trade run desk.toml")
    >>> print(*found.sentences()[:2], sep="\\n")
    The shipped agent is kept: 2 days are fewer than 30, so no claim can be made.
    The smallest true gain that so many days show in four cases of five is 0.7 bps.
    """

    symbol: str
    task: Task
    days: tuple[str, ...]
    orders: int
    stages: tuple[StageGain, ...]
    kept: str
    command: str
    rules: tuple[str, ...] = ()

    headings = HEADINGS

    @property
    def title(self) -> str:
        """What was fitted to what, in a line."""
        return (
            f"{self.symbol}, {format_count(len(self.days), 'day')} from {self.days[0]} to {self.days[-1]}, "
            f"{format_count(self.orders, 'order')}: bps on days left out of the fit"
        )

    def rows(self) -> list[list[str]]:
        """Cells of the table, a row a stage, by `HEADINGS`."""
        return [
            [
                f"{stage.name}{' *' if stage.is_seen else ''}",
                format_number(stage.cost, 2),
                _format_gain(stage.gain),
                _format_gain(stage.still),
                _format_gain(stage.added),
                "-" if stage.placebo is None else _format_gain(stage.placebo),
                format_number(stage.detectable or None, 2),
                format_percent(stage.unfilled, 1),
            ]
            for stage in self.stages
        ]

    def sentences(self) -> list[str]:
        """Which stage is kept and why, in five sentences at most."""
        [kept] = [stage for stage in self.stages if stage.name == self.kept]
        few = len(self.days) < CLAIM_DAYS
        if few:
            reason = f"{format_count(len(self.days), 'day')} are fewer than {CLAIM_DAYS}, so no claim can be made"
        elif kept.is_shown:
            reason = (
                f"it saves {_format_gain(kept.gain)} bps on the best rule, and {_format_gain(kept.still)} if resting fills "
                "move no price"
            )
        else:
            reason = "no stage that had not seen these days saves by its interval under both assumptions on resting fills"
        best = max(self.stages, key=lambda stage: stage.gain.mean)
        seen = [stage.name for stage in self.stages if stage.is_seen]
        detectable = max(stage.detectable for stage in self.stages)
        lines = [
            f"The {self.kept} agent is kept: {reason}.",
            f"The smallest true gain that so many days show in four cases of five is {detectable:.1f} bps.",
        ]
        if seen:
            lines.append(
                "* The shipped agent learned from some of these days: its saving may be overstated, and is no evidence."
            )
        if best.placebo is not None and not few:
            lines.append(
                f"With the forecasts of another day, {best.name} saves {best.placebo.mean:.2f} bps less."
            )
        task = self.task
        lines.append(
            f"All holds for orders of {format_percent(task.share or 0.0)} of the volume in {task.horizon_s / 60:g} minutes, "
            f"{task.latency.mean_ns / 1e6:g} ms late, without fees; intervals are 95 % for all stages together, over days."
        )
        return lines

    def figure(self) -> Figure:
        """What each stage saves on the best rule, at both ends of what resting fills do to the price."""
        ends = (("as takes do", "gain"), ("not at all", "still"))
        colours = palette.series_colours([label for label, _ in ends])
        with sketch(2.6) as drawing:
            panel = drawing.subplots()
            for shift, (label, key) in zip((0.12, -0.12), ends, strict=True):
                for row, stage in enumerate(reversed(self.stages)):
                    gain: Estimate = getattr(stage, key)
                    colour = colours[label].token
                    ends_bps = [gain.ci_low or 0.0, gain.ci_high or 0.0]
                    panel.plot(ends_bps, [row + shift] * 2, "-", color=colour)
                    panel.plot(
                        [gain.mean], [row + shift], "o", color=colour, label=None if row else label
                    )
            panel.axvline(0.0, color=palette.SOFT.token, zorder=0)
            panel.set_yticks(
                range(len(self.stages)), [stage.name for stage in reversed(self.stages)]
            )
            panel.set(xlabel="saved on the best rule, bps")
            panel.legend(title="resting fills move the price")
        text = "; ".join(f"{stage.name} {_format_gain(stage.gain)}" for stage in self.stages)
        return finish_figure(
            drawing,
            "gains",
            f"Saved on the best rule, bps, with intervals. {text}.",
            "Right of the line a stage is cheaper than the best rule.",
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain values, never rounded."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return dict(to_jsonable(fields | {"title": self.title, "sentences": self.sentences()}))

    def page(self) -> str:
        """The report: one HTML text that fetches nothing."""
        stages = plain_table(
            ("stage", "what it is"),
            [[stage.name, DESCRIPTIONS[stage.name]] for stage in self.stages],
        )
        sections = [
            Section(
                "What each stage saves",
                self.sentences(),
                plain_table(HEADINGS, self.rows()),
                [self.figure()],
            ),
            Section(
                "The stages",
                [
                    METHOD,
                    f"Best rules, block by block: {', '.join(self.rules)}.",
                    f"Trade the kept agent: {self.command}",
                ],
                stages,
            ),
        ]
        return render_page(f"Fit: {self.title}", self.sentences()[0], sections)


METHOD: Final = (
    "Days lie in three blocks in time order; each is judged once, by stages that were fitted to the other two. The best rule is "
    "the cheapest of the tuned rules on those two. Adds: what a stage saves on the one above it. The simplest stage that is "
    "cheaper than the best rule in both columns is kept, otherwise the shipped agent; it is fitted to all days. A stage that "
    "saves exactly 0 returned that rule."
)


def _format_gain(gain: Estimate) -> str:
    """A gain with its interval and sign."""
    return format_interval(gain, digits=2, signed=True)

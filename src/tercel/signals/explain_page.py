"""Pages of an explained forecast and of a portfolio's steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.core.report import svg
from tercel.core.report.svg import (
    PAGE,
    Figure,
    Section,
    finished,
    name_rows,
    render,
    sketch,
    small_panels,
)
from tercel.core.report.tables import fixed, plain_table, spelt_cell
from tercel.signals.evaluated import interval_figure
from tercel.signals.runs.backtest import ends
from tercel.signals.runs.explain import made_of
from tercel.signals.runs.portfolio_run import spelt_paid, why
from tercel.signals.scores import IC_OVER

# -- explain page ---------------------------------------------------------------------------------
# Page of an explanation: why the newest forecasts are what they are, then what each feature is worth out of sample.

DRAWN: Final = 15
"""Groups of a picture."""


def worth_table(
    rows: Sequence[Mapping[str, Any]], folds: int = 0
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of what features and sources are worth, in all and in each of `folds`."""
    return (
        "feature or source",
        "IC lost, 95 %",
        "sign kept",
        *(f"fold {k + 1}" for k in range(folds)),
    ), [
        (
            one["name"],
            spelt_cell(one["ic_lost"], digits=4),
            f"{100 * one['same_sign']:.0f} %",
            *(fixed(lost, 3) for lost in one["by_fold"][:folds]),
        )
        for one in rows
    ]


def by_group(found: Mapping[str, Any], most: int | None = None) -> list[Mapping[str, Any]]:
    """Rows of `worth_table`: sources, then groups with the features inside after each."""
    feature = {one["name"]: one for one in found["features"]}
    rows = list(found["sources"])
    for group in found["groups"][:most]:
        inside = [{**feature[name], "name": f"- {name}"} for name in group["features"]]
        rows += [group, *inside[: len(inside) * (len(inside) > 1)]]
    return rows


def parts_table(
    names: Sequence[Mapping[str, Any]], most: int = 4
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Headings and rows of forecasts with their largest groups of parts."""
    rows = [
        (one["name"], fixed(one["expected_bps"], 1, signed=True), made_of(one, most, inside=True))
        for one in names
    ]
    return ("name", "bps", "largest parts, bps; of a group (&) the sum = its features"), rows


def explain_page(found: Mapping[str, Any]) -> str:
    """HTML page of what `tercel.signals.runs.explain.explained` found."""
    lead, *rest = found["sentences"]
    names, shown, ic = found["names"], ends(found["names"]), found["ic"]
    common = f"{len(shown)} of {len(names)} names; {fixed(found['common_bps'], 1, True)} bps is common to all."
    worth = worth_table(by_group(found), found["folds"])
    best = {one["name"]: one["ic_lost"] for one in found["groups"][:DRAWN]}
    sections = [
        Section(
            f"Forecast of {found['at'][:10]}, by feature",
            [common, *found["warnings"]],
            plain_table(*parts_table(shown), prose=True),
            [parts_figure(found)],
        ),
        Section(
            "What features are worth",
            [*rest, *[f"Bias: {found['note']}."] * bool(found["note"])],
            figures=[interval_figure("worth", "rank IC lost", best)],
        ),
        Section(
            "Fold by fold",
            "Mean IC lost in each test block, with models fitted on what came before it. "
            + IC_OVER,
            plain_table(*worth),
        ),
        Section(
            f"All names: {len(names)}",
            html=plain_table(*parts_table(names), prose=True),
            folded=True,
        ),
    ]
    facts = {
        "rank IC": f"{ic['mean']:.4f}, t {fixed(ic['t'], 1)}",
        "dates": found["dates"],
        "folds": found["folds"],
    }
    extremes = (
        f"{one['name']} {fixed(one['expected_bps'], 1, True)}" for one in (names[0], names[-1])
    )
    return render(
        f"{found['name']}: why {' and '.join(extremes)} bps",
        lead,
        sections,
        facts,
        "printed by: tercel signals explain",
    )


def parts_figure(found: Mapping[str, Any], most: int = 6) -> Figure:
    """The largest groups of the highest and the lowest forecasts, as bars, with a mark for each feature inside."""
    chosen = ends(found["names"], 2)
    with sketch(1.4 + 0.6 * most, PAGE) as drawing:
        for panel, one in zip(small_panels(drawing, len(chosen), 2), chosen, strict=True):
            groups = one["groups"][:most]
            bps = np.array([group["bps"] for group in groups])
            colours = [svg.GOOD.token if each > 0 else svg.BAD.token for each in bps]
            panel.barh(range(len(groups)), bps, height=0.6, color=colours)
            inside = [
                (part["bps"], row)
                for row, group in enumerate(groups)
                for part in group["parts"]
                if len(group["parts"]) > 1
            ]
            panel.plot(
                *zip(*inside, strict=True) if inside else ((), ()),
                "|",
                color=svg.INK.token,
                markersize=9,
            )
            panel.axvline(0, color=svg.INK.token, linewidth=0.9)
            name_rows(panel, [short(group["group"]) for group in groups])
            panel.set_title(f"{one['name']} {fixed(one['expected_bps'], 1, True)} bps")
    alt = "; ".join(
        f"{one['name']} {fixed(one['expected_bps'], 1, True)} bps: {made_of(one)}" for one in chosen
    )
    return finished(
        drawing,
        "parts",
        alt,
        "Bar: a group's bps, less the mean over names; with what is common to all they add up. Stroke: a feature.",
    )


def short(group: str) -> str:
    """A group's name on an axis: two features, and how many more.

    >>> short("daily.vol_20 & vol_60 & idio_60")
    'vol_20 & vol_60 & 1 more'
    """
    names = [name.split(".", 1)[-1] for name in group.split(" & ")]
    return " & ".join([*names[:2], *[f"{len(names) - 2} more"] * (len(names) > 2)])


# -- steps page -----------------------------------------------------------------------------------
# Page of a book's steps: what desks held of what was asked, what they paid, what was believed and chosen by it.

Steps = Sequence[Mapping[str, Any]]
LAST: Final = 10
"""Steps that are drawn name by name."""
MOST: Final = 16
"""Names of one, those that were asked for most."""


def steps_page(steps: Steps) -> str:
    """HTML page of the steps of a book, in order (:func:`tercel.signals.runs.portfolio_run.recorded`)."""
    last, asked = steps[-1], [one for one in steps if one["missed"] is not None]
    sections = [
        Section(
            "Step by step",
            "A row begins with what the desk's last session made of the step before.",
            plain_table(*table_of(steps)),
            [paid(steps)] if any(one["learned"] for one in steps) else [],
        ),
        Section(
            "Asked and held",
            "Positions at their last marks, over the capital of the desk's file.",
            figures=[held(asked[-LAST:])] if asked else [],
        ),
        *(
            [Section("Why this parameter", why(last), figures=[tried(steps)])]
            if last["tried"]
            else []
        ),
    ]
    facts = {
        "rule": last["rule"],
        "steps": len(steps),
        "cost the file says": f"{last['cost_said']:.3g}",
        "cost believed": f"{last['cost_believed']:.3g}",
    }
    text = last["sentences"]
    return render(
        f"{last['name']}: {len(steps)} steps",
        text[0],
        sections,
        facts,
        "printed by: tercel portfolio run",
    )


def table_of(steps: Steps) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows, a step each."""
    heads = (
        "forecast of",
        "parents",
        "paid, bps",
        "cost believed before",
        "after",
        "missed",
        "parameter",
        "past Sharpe net",
        "trades, half-turns",
    )
    rows = list[tuple[str, ...]]()
    for one in steps:
        new = one["learned"][-1] if one["learned"] else None
        missed = "" if one["missed"] is None else fixed(one["missed"], 3)
        told = (
            ("", "", f"{one['cost_said']:.3g}")
            if new is None
            else (str(new["parents"]), spelt_paid(new), f"{new['before']:.3g}")
        )
        best = next(
            (row["sharpe_net"] for row in one["tried"] if row["parameter"] == one["parameter"]),
            None,
        )
        rows.append(
            (
                str(one["at"])[:10],
                *told,
                f"{one['cost_believed']:.3g}",
                missed,
                f"{one['parameter']:g}",
                fixed(best),
                fixed(one["turnover"], 3),
            )
        )
    return heads, rows


def _days(panel: Any, steps: Steps) -> None:
    panel.set_xticks(range(len(steps)), [one["at"][5:10] for one in steps])
    panel.margins(x=0.04)


def paid(steps: Steps) -> Figure:
    """What the last session before each step paid, with its interval, and the cost believed."""
    told = [(n, one["learned"][-1]) for n, one in enumerate(steps) if one["learned"]]
    with sketch(3.0, PAGE) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        left.axhline(0.0, color=svg.SOFT.token, linewidth=0.9)
        means, halves = ([one[key] or 0.0 for _, one in told] for key in ("bps", "half_bps"))
        left.errorbar(
            [n for n, _ in told], means, halves, fmt="o", color=svg.SERIES[1].token, markersize=4
        )
        left.set(title="paid by the session before, bps", xlim=(-0.5, len(steps) - 0.5))
        middle.plot(
            [one["cost_believed"] for one in steps], "o-", color=svg.SERIES[2].token, markersize=4
        )
        middle.set(title="cost believed", ylim=(0, None))
        right.step(
            range(len(steps)),
            [one["parameter"] for one in steps],
            where="mid",
            color=svg.SERIES[3].token,
        )
        right.set(title=f"parameter of {steps[-1]['rule']}", ylim=(0, None))
        for panel in (left, middle, right):
            _days(panel, steps)
    spelt = "; ".join(f"{steps[n]['at'][:10]} {spelt_paid(one)} bps" for n, one in told)
    return finished(
        drawing, "paid", f"Paid: {spelt}.", "Bars are 95 % intervals over a session's parents."
    )


def held(steps: Steps) -> Figure:
    """Weights that the step before asked for, and those that the desk held at the next."""
    with sketch(2.9 * -(-len(steps) // 5), PAGE) as drawing:
        panels = small_panels(drawing, len(steps), min(5, len(steps)))
        for panel, one in zip(panels, steps, strict=True):
            rows = sorted(one["trades"], key=lambda row: -max(abs(row["asked"]), abs(row["held"])))[
                :MOST
            ]
            rows.sort(key=lambda row: -row["asked"])
            at = np.arange(len(rows))
            name_rows(panel, [row["name"] for row in rows])
            panel.barh(at, [100 * row["held"] for row in rows], 0.6, color=svg.SERIES[1].token)
            panel.plot(
                [100 * row["asked"] for row in rows],
                at,
                "|",
                color=svg.SERIES[0].token,
                markersize=10,
                markeredgewidth=2,
            )
            panel.set_title(f"before {one['at'][:10]}", fontsize=9)
            panel.set_xlabel("% of capital")
    missed = "; ".join(f"{one['at'][:10]} {one['missed']:.3f}" for one in steps)
    return finished(
        drawing,
        "held",
        f"Half-turns away from what was asked: {missed}.",
        "Bars are held, strokes were asked for.",
    )


def tried(steps: Steps) -> Figure:
    """Past net Sharpe ratio of each parameter at the cost believed, a line a step; the one that was taken is marked."""
    able = [one for one in steps if one["tried"]][-LAST:]
    with sketch(3.2, PAGE) as drawing:
        panel = drawing.subplots()
        for one, shade in zip(able, np.linspace(0.35, 1.0, len(able)), strict=True):
            x, y = ([row[key] for row in one["tried"]] for key in ("parameter", "sharpe_net"))
            colour = svg.SERIES[1].token
            panel.plot(
                range(len(x)),
                [np.nan if value is None else value for value in y],
                color=colour,
                alpha=shade,
            )
            at = x.index(one["parameter"])
            panel.plot(at, y[at], "o", color=colour, alpha=shade)
            panel.set_xticks(range(len(x)), [f"{value:g}" for value in x])
            panel.annotate(
                one["at"][5:10], (at, y[at]), (3, 3), textcoords="offset points", fontsize=7
            )
        panel.set(xlabel=f"parameter of {steps[-1]['rule']}", ylabel="past Sharpe ratio, net")
    taken = "; ".join(f"{one['at'][:10]} {one['parameter']:g}" for one in able)
    return finished(
        drawing,
        "tried",
        f"Taken: {taken}.",
        "Later steps are darker; the year's past is the same for all.",
    )

"""Page of an explanation: why the newest forecasts are what they are, then what each feature is worth out of sample."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.core.report import style
from tercel.core.report.page import Section, render
from tercel.core.report.svg import PAGE, Figure, finished, name_rows, sketch, small_panels
from tercel.core.report.tables import fixed, plain_table, spelt_cell
from tercel.signals.evaluated import interval_figure
from tercel.signals.runs.backtest import ends
from tercel.signals.runs.explain import made_of
from tercel.signals.scores import IC_OVER

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
    title = f"{found['name']}: why {' and '.join(extremes)} bps"
    return render(title, lead, sections, facts, "printed by: tercel signals explain")


def parts_figure(found: Mapping[str, Any], most: int = 6) -> Figure:
    """The largest groups of the highest and the lowest forecasts, as bars, with a mark for each feature inside."""
    chosen = ends(found["names"], 2)
    with sketch(1.4 + 0.6 * most, PAGE) as drawing:
        for panel, one in zip(small_panels(drawing, len(chosen), 2), chosen, strict=True):
            groups = one["groups"][:most]
            bps = np.array([group["bps"] for group in groups])
            colours = [style.GOOD.token if each > 0 else style.BAD.token for each in bps]
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
                color=style.INK.token,
                markersize=9,
            )
            panel.axvline(0, color=style.INK.token, linewidth=0.9)
            name_rows(panel, [short(group["group"]) for group in groups])
            panel.set_title(f"{one['name']} {fixed(one['expected_bps'], 1, True)} bps")
    alt = "; ".join(
        f"{one['name']} {fixed(one['expected_bps'], 1, True)} bps: {made_of(one)}" for one in chosen
    )
    caption = "Bar: a group's bps, less the mean over names; with what is common to all they add up. Stroke: a feature."
    return finished(drawing, "parts", alt, caption)


def short(group: str) -> str:
    """A group's name on an axis: two features, and how many more.

    >>> short("daily.vol_20 & vol_60 & idio_60")
    'vol_20 & vol_60 & 1 more'
    """
    names = [name.split(".", 1)[-1] for name in group.split(" & ")]
    return " & ".join([*names[:2], *[f"{len(names) - 2} more"] * (len(names) > 2)])

"""The page of a comparison of families: skill, noise, time, verdicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from studies.families.claims import Verdict
from tercel.core import Estimate
from tercel.core.report import Figure, Section, finished, plain_table, render, sketch, svg
from tercel.signals import interval_figure

COLOURS = {"confirmed": svg.GOOD, "refuted": svg.BAD, "open": svg.SOFT, "absent": svg.RULE}


def compare_page(result: dict[str, Any], verdicts: Sequence[Verdict]) -> str:
    """The report as HTML."""
    table = result["table"]
    counts = {kind: sum(v.verdict == kind for v in verdicts) for kind in COLOURS}
    lead = (
        f"Of {len(verdicts)} claims of the field, {counts['confirmed']} are confirmed, {counts['refuted']} refuted "
        f"and {counts['open']} open"
        + (
            f"; {counts['absent']} cannot be judged, as a family was not run."
            if counts["absent"]
            else "."
        )
    )
    settings = result["settings"]
    sections = [
        Section(
            "What the field says",
            "Each claim is a number per seed that is positive where it holds; margins are part of the rule. Confirmed: "
            "the 95 % interval over seeds lies above 0; refuted: below; open: it holds 0.",
            html=claims_table(verdicts),
            figures=[claims_figure(verdicts)],
        ),
        Section(
            "Skill by problem",
            "Share of the oracle's skill, (AUC - 1/2) / (oracle's AUC - 1/2): 1 is all that can be known.",
            html=_skill_table(table),
            figures=[share_figure(table), cost_figure(table)],
        ),
        Section(
            "Label noise",
            "Labels of the training flipped at random; the test is clean.",
            figures=[noise_figure(table)],
        ),
    ]
    if result["panel"]:
        sections.append(_panel_section(result["panel"]))
    facts = {
        "rows to train on": settings["rows"], "rows to test on": settings["test_rows"], "seeds": len(settings["seeds"]),
        "absent": ", ".join(f"{one['family']} ({one['extra']})" for one in result["absent"]) or "nothing",
    }  # fmt: skip
    return render(
        "Families of models, compared", lead, sections, facts, "printed by: tercel signals compare"
    )


def claims_table(verdicts: Sequence[Verdict]) -> str:
    """Verdicts, and what their numbers are."""
    numbers = [
        (
            f"{v.family}: {v.text}",
            v.verdict,
            *(None if x is None else f"{x:+.3f}" for x in (v.mean, v.ci_low, v.ci_high)),
        )
        for v in verdicts
    ]
    rules = [(f"{v.family}: {v.text}", v.rule, v.source) for v in verdicts]
    return plain_table(
        ("claim", "verdict", "number", "low", "high"), numbers, "Verdicts"
    ) + plain_table(("claim", "its number", "said by"), rules, "What the numbers are", prose=True)


def _skill_table(table: Sequence[dict[str, Any]]) -> str:
    keys = ("share", "accuracy", "auc", "brier", "ece", "fit_s", "peak_mib", "row_us", "one_us")
    heads = (
        "share",
        "accuracy",
        "AUC",
        "Brier",
        "ECE",
        "fit s",
        "peak MiB",
        "us a row, batch",
        "us, one row",
    )
    rows = [
        (f"{line['problem']}: {line['family']}", *(_short(line[key]) for key in keys))
        for line in table
    ]
    return plain_table(("problem: family", *heads), rows, "Means over seeds")


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _panel_section(panel: dict[str, Any]) -> Section:
    heads = ("forecast", "rank IC", "low", "high", "t", "net % a date", "net Sharpe", "all fits s")
    rows = [
        (line["name"], line["ic"]["mean"], line["ic"]["ci_low"], line["ic"]["ci_high"], line["ic"]["t"],
         100 * line["portfolio"]["net"], line["portfolio"]["sharpe_net"], line["all_fits_s"])
        for line in panel["table"]
    ]  # fmt: skip
    taken = [
        (line["name"], line["accuracy"]["mean"], line["slope"], line["fit_rows"], line["fit_s"], line["peak_mib"],
         line["row_us"], ", ".join(f"{float(k):.0%} {v['mean']:.4f}" for k, v in line["noise"].items()))
        for line in panel["table"] if line["fit_s"] is not None
    ]  # fmt: skip
    costs = (
        "family",
        "accuracy",
        "slope",
        "rows",
        "fit s",
        "peak MiB",
        "us a row",
        "IC by labels exchanged",
    )
    html = plain_table(heads, rows, "Walk-forward, out of sample")
    html += plain_table(
        costs, taken, "Calibration, one fit on the last year's training rows, label noise"
    )
    ics = {line["name"]: Estimate.of(line["ic"]) for line in panel["table"]}
    return Section(
        "On the panel",
        [panel["note"]],
        html=html,
        figures=[interval_figure("panel", "rank IC", ics)],
    )


def _families(table: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(line["family"] for line in table))


def share_figure(table: Sequence[dict[str, Any]]) -> Figure:
    """A dot per family and problem."""
    problems = list(dict.fromkeys(line["problem"] for line in table))
    families = _families(table)
    colours = svg.series_colours(families)

    with sketch(5.2) as drawing:
        panel = drawing.subplots()
        panel.axvline(1, color=svg.INK.token, linewidth=0.9)
        panel.axvline(0, color=svg.SOFT.token, linewidth=0.9)
        for number, family in enumerate(families):
            lines = [line for line in table if line["family"] == family]
            height = [
                problems.index(line["problem"]) + 0.7 * (number / max(len(families) - 1, 1) - 0.5)
                for line in lines
            ]
            panel.plot(
                [line["share"] for line in lines],
                height,
                "o",
                color=colours[family].token,
                label=family,
            )
        panel.set_yticks(range(len(problems)), problems)
        panel.invert_yaxis()
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("share of the oracle's skill")
        drawing.legend(loc="outside right upper")

    summary = "; ".join(
        f"{line['family']} on {line['problem']} {line['share']:.2f}" for line in table
    )
    return finished(
        drawing,
        "share",
        f"Share of the oracle's skill. {summary}.",
        "Right is better; 1 is the oracle.",
    )


def cost_figure(
    table: Sequence[dict[str, Any]], label: str = "mean share of the oracle's skill"
) -> Figure:
    """Time to fit against skill, mean over problems."""
    families = _families(table)
    colours = svg.series_colours(families)
    points = {
        family: tuple(
            float(np.mean([x[key] for x in table if x["family"] == family]))
            for key in ("fit_s", "share")
        )
        for family in families
    }

    with sketch(3.6) as drawing:
        panel = drawing.subplots()
        for family, (seconds, share) in points.items():
            panel.plot(
                [max(seconds, 1e-5)], [share], "o", markersize=8, color=colours[family].token
            )
            panel.annotate(
                family,
                (max(seconds, 1e-5), share),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=8.5,
            )
        panel.set_xscale("log")
        panel.set(xlabel="seconds to fit", ylabel=label)

    summary = "; ".join(
        f"{family}: {seconds:.3f} s, {share:.2f}" for family, (seconds, share) in points.items()
    )
    return finished(
        drawing, "cost", f"Time to fit against skill. {summary}.", "Up and left is better."
    )


def noise_figure(table: Sequence[dict[str, Any]]) -> Figure:
    """Share kept as labels are flipped."""
    lines = [line for line in table if len(line["share_by_noise"]) > 1]
    colours = svg.series_colours([line["family"] for line in lines])

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        for line in lines:
            levels = [100 * float(level) for level in line["share_by_noise"]]
            shares = list(line["share_by_noise"].values())
            panel.plot(
                levels, shares, "o-", color=colours[line["family"]].token, label=line["family"]
            )
        panel.set(xlabel="% of training labels flipped", ylabel="share of the oracle's skill")
        if lines:
            drawing.legend(loc="outside right upper")

    summary = "; ".join(
        f"{line['family']} "
        + ", ".join(f"{float(k):.0%} {v:.2f}" for k, v in line["share_by_noise"].items())
        for line in lines
    )
    return finished(
        drawing,
        "noise",
        f"Skill on `mixed` under label noise. {summary}.",
        "Flatter is more robust.",
    )


def claims_figure(verdicts: Sequence[Verdict]) -> Figure:
    """Each claim's number, scaled to its interval so that all fit one axis."""
    shown = [v for v in verdicts if v.mean is not None]

    with sketch(0.8 + 0.27 * max(1, len(shown))) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=svg.INK.token, linewidth=1)
        for row, v in enumerate(shown):
            colour = COLOURS[v.verdict].token
            ends = [abs(x) for x in (v.mean, v.ci_low, v.ci_high) if x is not None]
            scale = max(*ends, 1e-12) if len(ends) > 1 else max(ends[0], 1e-12)
            if v.ci_low is not None and v.ci_high is not None:
                panel.plot(
                    [v.ci_low / scale, v.ci_high / scale], [row, row], color=colour, linewidth=2
                )
            panel.plot([(v.mean or 0.0) / scale], [row], "o", color=colour)
        panel.set_yticks(range(len(shown)), [f"{v.family}: {v.text}" for v in shown])
        panel.set_xticks([0], ["0"])
        panel.invert_yaxis()
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("refuted        confirmed")

    summary = "; ".join(f"{v.family}, {v.text}: {v.verdict}" for v in verdicts)
    return finished(
        drawing,
        "claims",
        f"Verdicts. {summary}.",
        "Each row has a scale of its own; numbers in the table.",
    )

"""`tercel signals compare`: skill on problems of known truth, on the panel, and what the field says."""

from collections.abc import Sequence
from typing import Any

from tercel.cli import Configured, hand_over, print_rows, print_table, say
from tercel.cli.signals import resumable, settings_of
from tercel.core.report import spelt_cell

Lines = Sequence[dict[str, Any]]


def compare(request: Configured) -> None:
    """Measure every family of models on problems of known truth; judge what the field says of them.

    Goes on with what --out holds of the same comparison.
    """
    settings, out = settings_of(request, "compare")
    from studies.families.compare import compare as compared

    with resumable("compare", request, out, "what is measured is kept; to go on"):
        found = compared(settings, request.seed, out)
    hand_over(found, request.as_json, lambda: show_comparison(found))


def show_comparison(found: dict[str, Any]) -> None:
    """Every table of a comparison, and what was not run."""
    _print_skill(found["table"])
    _print_cost(found["table"])
    if found["panel"]:
        print_panel(found["panel"])
    judged = [one for one in found["claims"] if one["verdict"] != "absent"]
    if judged:
        title = "what the field says: confirmed where the interval over seeds lies above 0"
        rows = [
            (one["family"], one["text"], one["verdict"], spelt_cell(one, "+")) for one in judged
        ]
        print_rows(title, ("family", "claim", "verdict", "number"), rows)
    if absent := len(found["claims"]) - len(judged):
        say(f"{absent} claims speak of families or problems that were not run")
    for missing in found["absent"]:
        say(
            f"absent: {missing['family']} (no module {missing['module']}); pip install '{missing['extra']}'"
        )
    say(f"report    {found['report']}")


def _print_skill(lines: Lines) -> None:
    """Families by problems: the share of the oracle's skill."""
    problems = list(dict.fromkeys(line["problem"] for line in lines))
    found = {(line["family"], line["problem"]): f"{line['share']:.2f}" for line in lines}
    rows = [
        [family, *(found.get((family, problem), "-") for problem in problems)]
        for family in dict.fromkeys(line["family"] for line in lines)
    ]
    print_table(
        "share of the oracle's skill, (AUC - 1/2) / (oracle's AUC - 1/2)",
        ("family", *problems),
        rows,
    )


def _print_cost(lines: Lines) -> None:
    """Families by what they take: means over problems, and the share that label noise leaves."""
    levels = sorted(
        {level for line in lines for level in line["share_by_noise"]} - {"0"}, key=float
    )
    rows = []
    for family in dict.fromkeys(line["family"] for line in lines):
        mine = [line for line in lines if line["family"] == family]
        mean = {key: _mean(mine, key) for key in ("ece", "brier", "fit_s", "peak_mib", "one_us")}
        noise: dict[str, float] = next(
            (line["share_by_noise"] for line in mine if len(line["share_by_noise"]) > 1), {}
        )
        rows.append(
            [
                family, f"{mean['ece']:.3f}", f"{mean['brier']:.3f}", f"{1e3 * mean['fit_s']:.0f}",
                f"{mean['peak_mib']:.1f}", f"{mean['one_us']:.0f}",
                *(f"{noise[level]:.2f}" if level in noise else "-" for level in levels),
            ]
        )  # fmt: skip
    headings = (
        "family",
        "ECE",
        "Brier",
        "fit ms",
        "MiB",
        "us/one",
        *(f"{float(level):.0%}" for level in levels),
    )
    print_table("means over problems; share kept on `mixed` under label noise", headings, rows)


def _mean(lines: Lines, key: str) -> float:
    values = [line[key] for line in lines if line[key] is not None]
    return sum(values) / len(values) if values else float("nan")


def print_panel(panel: dict[str, Any]) -> None:
    """The panel's rows: skill, then what families take and how noise hurts them."""
    skill = []
    for line in panel["table"]:
        ic, plain, calm = line["ic"], line["portfolio"], line["smoothed"]
        skill.append(
            [
                line["name"].removeprefix("rule: "), f"{ic['mean']:.4f} ({ic['ci_low']:.3f}..{ic['ci_high']:.3f})",
                f"{ic['t']:.1f}", f"{100 * plain['net']:.3f}", f"{plain['sharpe_net']:.2f}", f"{100 * calm['net']:.3f}",
            ]
        )  # fmt: skip
    title = f"on the panel, {panel['dates']} dates out of sample\n{panel['note']}"
    print_table(title, ("forecast", "rank IC, 95 %", "t", "net %", "Sharpe", "calm %"), skill)
    lines = [line for line in panel["table"] if line["fit_s"] is not None]
    levels = sorted({level for line in lines for level in line["noise"]}, key=float)
    taken = [
        [
            line["name"], f"{line['accuracy']['mean']:.4f}", "-" if line["slope"] is None else f"{line['slope']:.2f}",
            _thousands(line["fit_rows"]), f"{line['fit_s']:.1f}", f"{line['peak_mib']:.0f}", f"{line['row_us']:.1f}",
            *(f"{line['noise'][level]['mean']:.3f}".replace("0.", ".") for level in levels),
        ]
        for line in lines
    ]  # fmt: skip
    headings = (
        "forecast",
        "right",
        "slope",
        "rows",
        "fit s",
        "MiB",
        "us/row",
        *(f"{float(one):.0%}" for one in levels),
    )
    title = (
        "how often right (a coin: .5), slope (1 is right), one fit; IC by share of labels exchanged"
    )
    print_table(title, headings, taken)


def _thousands(rows: int) -> str:
    return f"{rows / 1000:.0f}k" if rows >= 1000 else str(rows)

"""The realism card as rows of text, for a terminal and for a page."""

from collections.abc import Mapping
from typing import Any, Final

from tercel.core.report.cells import NOTHING
from tercel.core.report.tables import spelt_cell

Table = tuple[tuple[str, ...], list[list[str]]]
"""Names of columns, and rows."""
MEANS = {
    "mean of 14": ("mean_l1", "", "floor_mean_l1", "pooled_floor_mean_l1"),
    "mean of 14, odd against even half hours": (
        "interleaved_mean_l1",
        "",
        "interleaved_floor_mean_l1",
        "",
    ),
}


def distance_table(card: Mapping[str, Any]) -> Table:
    """A row for each statistic, the means before the curves, which are not in them."""
    from tercel.market.score.sample import CURVES

    columns = ("l1", "wasserstein", "floor_l1", "pooled_floor_l1")
    rows = [
        [_in_words(name), *(cell(row[key]) for key in columns)]
        for name, row in card["distances"].items()
    ]
    at = len(rows) - len(CURVES)
    rows[at:at] = [
        [name, *(cell(card[key]) if key else "" for key in keys)] for name, keys in MEANS.items()
    ]
    return ("statistic", "L1", "Wasserstein", "floor: a real day", "floor: real days pooled"), rows


def gate_table(card: Mapping[str, Any]) -> Table:
    """A row for each gate."""
    level = card["gates_level"]
    rows = [
        [
            _in_words(name),
            cell(gate["value"], 4),
            cell(gate["real"], 4),
            cell(card["gates_train"].get(name, {}).get("real"), 4),
            "yes" if gate["passed"] else "NO",
            *(cell(level.get(name, {}).get(key), 2) for key in ("by_model", "by_day")),
            ("yes" if level[name]["passed"] else "NO") if level else cell(None),
        ]
        for name, gate in card["gates"].items()
    ]
    return (
        "",
        "simulated",
        "real",
        "calibrated on",
        "passed",
        "by model",
        "by day",
        "at equal level",
    ), rows


def dynamics_table(card: Mapping[str, Any]) -> Table:
    """A row for each figure of how it moves."""
    rows = [
        [
            _in_words(name),
            cell(row["value"]),
            cell(row["real"]),
            f"{cell(row['ci_low'])} to {cell(row['ci_high'])}",
            *(cell(row[key]) for key in ("floor", "bar", "train")),
            "yes" if row["passed"] else "NO",
        ]
        for name, row in card["dynamics"].items()
    ]
    return ("", "simulated", "real", "interval", "floor", "bar", "calibrated on", "passed"), rows


def given_table(card: Mapping[str, Any]) -> Table:
    """A row for each statistic given the spread or the half hour."""
    rows = [
        [name, cell(row["l1"]), cell(row["pooled_floor_l1"])]
        for name, row in card["conditional"].items()
    ]
    return ("statistic | given", "L1", "floor"), rows


def impact_rows(card: Mapping[str, Any]) -> list[list[str]]:
    """A row for each figure of impact that was measured."""
    return [
        [_in_words(name), spelt_cell(one, digits=3)] for name, one in card["impact"].items() if one
    ]


def passed(gates: Mapping[str, Any], of: str = "/") -> str:
    """How many of how many; empty where there are none.

    >>> passed({"spread": {"passed": True}, "depth": {"passed": False}})
    '1/2'
    """
    return f"{sum(gate['passed'] for gate in gates.values())}{of}{len(gates)}" if gates else ""


def predicted(one: Mapping[str, Any] | None) -> str:
    """Spearman of a kept prediction with its interval, and the tape's own ceiling.

    >>> predicted({"spearman": {"mean": 0.86, "ci_low": 0.71, "ci_high": 0.97, "ceiling": 0.95}})
    '0.86 [0.71, 0.97] of 0.95'
    """
    if not one or one["spearman"]["mean"] is None:
        return ""
    found = one["spearman"]
    interval = (
        "" if found["ci_low"] is None else f" [{found['ci_low']:.2f}, {found['ci_high']:.2f}]"
    )
    return f"{found['mean']:.2f}{interval}" + (
        "" if found["ceiling"] is None else f" of {found['ceiling']:.2f}"
    )


def prediction_rows(one: Mapping[str, Any]) -> list[list[str]]:
    """Rows of a prediction that a card keeps."""
    signs = one["signs"]
    agree = "" if signs["agree"] is None else f", {signs['agree']:.0%} with the same sign"
    return [
        [
            f"Spearman over {one['strategies']} strategies, of the tape's ceiling",
            predicted(one) or NOTHING,
        ],
        [
            "Spearman over those that mostly rest",
            predicted({"spearman": one["spearman_resting"]}) or NOTHING,
        ],
        ["pairs that differ significantly on tape", f"{signs['told']}{agree}"],
        ["days of tape", str(len(one["days"]))],
    ]


TAUGHT: Final = {
    **{f"fills {wait} s": ("filled", wait) for wait in ("30", "300", "900")},
    **{f"mark-out {h} s": ("markouts_bps", h) for h in ("10", "60")},
    **{f"R² {h} s": ("horizons", h) for h in ("10", "30")},
}
"""What a market teaches: an order at the touch fills, the mid after that (bps), forecasts of it on tape."""


def taught(one: Mapping[str, Any] | None) -> list[str]:
    """What a card keeps of fills, simulated / tape, figure by figure; empty where nothing is known."""
    found = [((one or {}).get(kind) or {}).get(at) for kind, at in TAUGHT.values()]
    return [f"{cell(each['simulated'])} / {cell(each['tape'])}" if each else "" for each in found]


def cell(value: float | None, digits: int = 3) -> str:
    """A number of so many digits."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"


def _in_words(name: str) -> str:
    return name.replace("_", " ")

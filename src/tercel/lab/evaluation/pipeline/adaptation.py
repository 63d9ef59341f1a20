"""What a regime that begins half-way costs beyond the policy trained in it: in basis points first, then in percent."""

from collections.abc import Iterator, Mapping
from typing import Any

from tercel.core.report.tables import spelt

HEADINGS = ("regime", "trained for it", "strategy", "costs more, bps", "costs more, %")


def adapted(result: Mapping[str, Any], name: str) -> Iterator[str]:
    """A line for each regime, the loss of schedules frozen at arrival beside it."""
    for regime, cell in result["adaptation"].items():
        dearer = cell["difference_to_specialist"]
        if not dearer or name not in dearer:
            continue
        beside = [f"{other} {spelt(dearer[other], '+')} bps" for other in cell["frozen"] if other in dearer]
        text = f"; schedules frozen at arrival: {', '.join(beside)}" if beside else ""
        yield (
            f"{name} where {regime} begins half-way: costs {_more(cell, name)} than {cell['specialist']}, "
            f"given as trained in it{text}."
        )


def rows(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The same as a table; see `HEADINGS`."""
    for regime, cell in result["adaptation"].items():
        for name, difference in (cell["difference_to_specialist"] or {}).items():
            share = percent(cell["loss_to_specialist"][name]) if _is_cost(cell) else ""
            yield regime, cell["specialist"], name, spelt(difference, "+"), share


def _more(cell: Mapping[str, Any], name: str) -> str:
    """How much more or less; a percentage only of what is surely a cost."""
    difference, share = cell["difference_to_specialist"][name], cell["loss_to_specialist"][name]
    less = difference["mean"] < 0
    difference, share = (turned(one) if less else one for one in (difference, share))
    text = f"{spelt(difference)} bps"
    if _is_cost(cell):
        beside = percent(share, sign="")
        text += f" ({beside})"
    return f"{text} {'less' if less else 'more'}"


def _is_cost(cell: Mapping[str, Any]) -> bool:
    """Whether the specialist's interval lies above 0: of anything else a percentage says nothing."""
    low = cell["is_bps"][cell["specialist"]]["ci_low"]
    return low is not None and low > 0


def turned(cell: Mapping[str, Any]) -> dict[str, float | None]:
    """The same difference seen from the other side.

    >>> turned({"mean": -1.0, "ci_low": -3.0, "ci_high": 1.0})
    {'mean': 1.0, 'ci_low': -1.0, 'ci_high': 3.0}
    """
    mean, low, high = (None if cell[key] is None else -cell[key] for key in ("mean", "ci_low", "ci_high"))
    return {"mean": mean, "ci_low": high, "ci_high": low}


def percent(cell: Mapping[str, Any], sign: str = "+") -> str:
    """A share as percent with its interval.

    >>> percent({"mean": 0.1, "ci_low": None, "ci_high": None})
    '+10.0 %'
    """
    scaled = {key: None if cell[key] is None else 100 * cell[key] for key in ("mean", "ci_low", "ci_high")}
    return f"{spelt(scaled, sign, 1)} %"

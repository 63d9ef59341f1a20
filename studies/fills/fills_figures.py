"""The figures of a study of fills: tape with its interval beside simulated days, figure by figure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.core import Floats
from tercel.core.report import Figure, finish_figure, palette, sketch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cell = Mapping[str, float | None]
Cells = Mapping[str, Cell]
"""Name to `real`, `ci_low`, `ci_high`, `simulated`, `simulated_low`, `simulated_high`."""
PARTS = {
    "filled_before_away": "filled before it moved away",
    "filled_after_away": "filled after it had",
    "filled_given_away": "filled, given it moved away",
    "back_given_away": "back at its price, given that",
}
LEGEND = "Filled: tape with its 95 % interval. Hollow: simulated days with theirs."


def fill_curves(cells: Cells, waits_s: Sequence[int], symbol: str) -> Figure:
    """Share of ghosts filled by each wait, and the fills of 300 s taken apart."""
    curve = [cells[f"filled_{wait}s"] for wait in waits_s]

    with sketch(3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        _columns(left, curve, [str(wait) for wait in waits_s])
        left.set(xlabel="seconds waited", ylabel="share filled", ylim=(0.0, 1.0))
        left.legend(loc="upper left")
        _rows(right, {title: cells[part] for part, title in PARTS.items()})
        right.set(xlabel="share, 300 s", xlim=(0.0, 1.0))

    summary = ", ".join(
        f"{w} s {_text(c['real'])} and {_text(c['simulated'])}"
        for w, c in zip(waits_s, curve, strict=True)
    )
    return finish_figure(
        drawing,
        "fills",
        f"{symbol}: share of resting orders filled, tape and simulated: {summary}.",
        LEGEND,
    )


def by_class(cells: Cells, symbol: str, wait_s: int = 300) -> Figure:
    """Fills by place in the queue, width of the touch, distance behind it and size."""
    start = f"filled_{wait_s}s_"
    named = {
        key.removeprefix(start).replace("_", " "): c
        for key, c in cells.items()
        if key.startswith(start)
    }
    shown = {
        title: cell
        for title, cell in named.items()
        if cell["real"] is not None or cell["simulated"] is not None
    }

    with sketch(4.2) as drawing:
        panel = drawing.subplots(1, 1)
        _rows(panel, shown)
        panel.set(xlabel=f"share filled in {wait_s} s", xlim=(0.0, 1.0))
        panel.legend(loc="lower left")

    summary = ", ".join(
        f"{title} {_text(c['real'])} and {_text(c['simulated'])}" for title, c in shown.items()
    )
    caption = f"Place: quartiles of the tape's queue. Spread, behind: ticks. Size: parts of the usual queue. {LEGEND}"
    return finish_figure(
        drawing,
        "classes",
        f"{symbol}: share filled by class, tape and simulated: {summary}.",
        caption,
    )


def markouts(cells: Cells, horizons_s: Sequence[int], symbol: str) -> Figure:
    """Mark-outs of ghost fills from their price, and of all market orders from the mid before, in ticks."""
    shown = {
        "markout": "from the fill price",
        "market_markout": "all market orders, from the mid before",
    }

    with sketch(3.0) as drawing:
        for panel, (what, title) in zip(drawing.subplots(1, 2), shown.items(), strict=True):
            panel.set_title(title)
            panel.axhline(0.0, color=palette.SOFT.token, linewidth=0.9)
            _columns(
                panel,
                [cells[f"{what}_{h}s_ticks"] for h in horizons_s],
                [str(h) for h in horizons_s],
            )
            panel.set(xlabel="seconds after the trade", ylabel="ticks, passive side")
        drawing.axes[0].legend()

    summary = ", ".join(
        f"{h} s {_text(cells[f'markout_{h}s_ticks']['real'])} and {_text(cells[f'markout_{h}s_ticks']['simulated'])}"
        for h in horizons_s
    )
    return finish_figure(
        drawing,
        "markouts",
        f"{symbol}: mark-outs after fills in ticks, tape and simulated: {summary}.",
        LEGEND,
    )


def returns_and_hidden(cells: Cells, symbol: str) -> Figure:
    """The old price back after the touch was emptied, and hidden executions by the width of the touch."""
    back = {
        f"{what}, {key.removeprefix(start).removesuffix('s')} s": cell
        for what in ("trade", "cancel")
        for start in (f"back_after_{what}_",)
        for key, cell in cells.items()
        if key.startswith(start)
    }
    hidden = {
        k.removeprefix("hidden_rows_spread_"): c
        for k, c in cells.items()
        if k.startswith("hidden_rows_spread_")
    }

    with sketch(3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        _rows(left, back)
        left.set(xlabel="old price back", xlim=(0.0, 1.0))
        _columns(right, list(hidden.values()), list(hidden))
        right.set(
            xlabel="width of the touch, ticks", ylabel="hidden share of executions", ylim=(0.0, 1.0)
        )
        right.legend(loc="upper left")

    summary = ", ".join(
        f"{title} {_text(c['real'])} and {_text(c['simulated'])}" for title, c in back.items()
    )
    return finish_figure(
        drawing,
        "returns",
        f"{symbol}: best quote again at the old price after the touch was emptied, tape and simulated: {summary}.",
        LEGEND,
    )


def _columns(panel: "Axes", cells: Sequence[Cell], ticks: Sequence[str]) -> None:
    """Tape and simulated side by side at each tick."""
    for shift, label, value, around in _series(cells):
        panel.errorbar(
            np.arange(len(ticks)) + shift, value, yerr=around, label=label, **_marker(label)
        )
    panel.set_xticks(range(len(ticks)), list(ticks))


def _rows(panel: "Axes", cells: Cells) -> None:
    """Tape and simulated, a row for each name."""
    for shift, label, value, around in _series(list(cells.values())):
        panel.errorbar(
            value, np.arange(len(cells)) + shift, xerr=around, label=label, **_marker(label)
        )
    panel.set_yticks(range(len(cells)), list(cells))
    panel.invert_yaxis()


def _series(cells: Sequence[Cell]) -> Iterator[tuple[float, str, Floats, Floats]]:
    """Shift, label, values [n] and lengths of the whiskers [2, n] of tape and of simulated days; nan where unknown."""
    for shift, label, keys in (
        (-0.1, "tape", ("real", "ci_low", "ci_high")),
        (0.1, "simulated", ("simulated", "simulated_low", "simulated_high")),
    ):
        value, low, high = (np.array([cell[key] for cell in cells], np.float64) for key in keys)
        yield shift, label, value, np.maximum(np.stack((value - low, high - value)), 0.0)


def _marker(label: str) -> dict[str, Any]:
    colour = palette.INK.token if label == "tape" else palette.SERIES[0].token
    return {
        "fmt": "o",
        "color": colour,
        "markersize": 4.5,
        "mfc": colour if label == "tape" else "none",
    }


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"

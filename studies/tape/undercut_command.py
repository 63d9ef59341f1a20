"""``python -m studies undercut``: how often who improves the touch is undercut, and what of it is a reaction."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.tape import undercut
from studies.tape.undercut import Counts, clusters_of, counts_of, hazards, interval, read_names
from tercel.cli import print_json, print_table, say
from tercel.core.report import Figure, finish_figure, palette, sketch
from tercel.market.simulator import ROOM_BPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEADINGS = (
    "room left, bps",
    "quotes' seconds",
    "undercut a s",
    "after a join",
    "any moment",
    "reaction",
)


def run(
    lakes: Sequence[Path], symbols: Sequence[str], leave_out: Sequence[str], rates: Path | None, picture: Path | None,
    seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Print one table a name and year; write the file of rates and the picture where they are wanted."""
    names = read_names(lakes, symbols, leave_out, seed)
    found = {
        key: measured(clusters_of(days), reduce(add, map(counts_of, days)), seed)
        for key, days in names.items()
    }
    if rates is not None:
        undercut.written(names, rates)
    if picture is not None:
        picture.write_text(figure(found).svg, encoding="utf-8")
    if as_json:
        print_json(found)
        return
    for key, one in found.items():
        ends = ", ".join(f"{name} {share:.1%}" for name, share in one["ends"].items())
        within = ", ".join(f"{share:.1%} in {s} s" for s, share in one["within"].items())
        title = (
            f"{key}: {one['quotes']:,} improvements of the touch with room, {len(names[key])} days"
        )
        print_table(title, HEADINGS, [_cells(row) for row in one["rooms"]])
        say(f"first of all: {ends}; matched before {one['matched']:.1%}; undercut {within}")
    say(
        "rates from 0.1 s on; reaction: over any moment of the same spread and room, 95 % intervals by day (half hour)"
    )


def measured(clusters: Sequence[Counts], counts: Counts, seed: int) -> dict[str, Any]:
    """Figures of a name."""

    def excess(one: Counts) -> undercut.Floats:
        rates = hazards(one)
        return np.concatenate([rates, rates[:1] - rates[2:]])

    quotes, rates = counts.ends.sum(), excess(counts)
    low, high = interval(clusters, excess, seed)
    rooms = [
        {
            "room_bps": begin,
            "seconds": float(counts.seconds[0, room, 1:].sum()),
            **{
                name: _estimate(rates[row, room], low[row, room], high[row, room])
                for row, name in enumerate((*undercut.WHOS, "reaction"))
            },
        }
        for room, begin in enumerate(ROOM_BPS)
        if not np.isnan(rates[3, room])
    ]
    ends = dict(
        zip(
            ("stood", "filled", "cancelled", "undercut"),
            (counts.ends / quotes).tolist(),
            strict=True,
        )
    )
    within = {
        f"{s:g}": float(one / quotes)
        for s, one in zip(undercut.WITHIN_S, counts.within, strict=True)
    }
    matched = float(counts.matched / quotes)
    return {
        "quotes": int(quotes),
        "ends": ends,
        "matched": matched,
        "within": within,
        "rooms": rooms,
    }


def _estimate(mean: float, low: float, high: float) -> dict[str, float]:
    return {"mean": float(mean), "ci_low": float(low), "ci_high": float(high)}


def _cells(row: dict[str, Any]) -> list[str]:
    names = (*undercut.WHOS, "reaction")
    shown = [
        f"{row[one]['mean']:.4f} [{row[one]['ci_low']:.4f}, {row[one]['ci_high']:.4f}]"
        for one in names
    ]
    return [f"{row['room_bps']:g}+", f"{row['seconds']:,.0f}", *shown]


def figure(found: dict[str, Any]) -> Figure:
    """Undercut quotes a second by room, beside both placebos; a panel a name."""
    with sketch(2.8 * ((len(found) + 1) // 2)) as drawing:
        panels = drawing.subplots((len(found) + 1) // 2, 2, sharex=True, squeeze=False).ravel()
        for panel, (key, one) in zip(panels, found.items(), strict=False):
            _panel(panel, key, one["rooms"])
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    told = "; ".join(f"{key} {one['ends']['undercut']:.0%}" for key, one in found.items())
    return finish_figure(
        drawing, "undercut", f"Improvements of the touch that are undercut before anything else: {told}.",
        "Undercutting orders a second from .1 s on, by the room left inside the spread, 95 % intervals by day.",
    )  # fmt: skip


def _panel(panel: "Axes", key: str, rooms: Sequence[dict[str, Any]]) -> None:
    colours = palette.series_colours(list(undercut.WHOS))
    panel.set_title(key)
    panel.set_xlabel("room left, bps")
    panel.set_ylabel("undercut a second")
    for shift, who in enumerate(undercut.WHOS):
        cells = [row[who] for row in rooms]
        at = [row["room_bps"] + 0.5 * shift for row in rooms]
        means = np.array([one["mean"] for one in cells])
        reach = np.abs(np.array([[one["ci_low"], one["ci_high"]] for one in cells]).T - means)
        panel.errorbar(
            at,
            means,
            reach,
            fmt="o",
            markersize=3.5,
            linewidth=1.0,
            color=colours[who].token,
            label=who,
        )

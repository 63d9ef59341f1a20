"""The figure: written rules, published policies and ours, task by task."""

from collections.abc import Mapping
from typing import Any, Final

from tercel.core.report import Figure, finish_figure, palette, sketch

BARS: Final = (
    ("sl", "submit and leave"),
    ("twap", "TWAP of the paper"),
    ("best_rule", "best tuned rule"),
)


def beside_published(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel a task; `found` is what the command puts out."""

    with sketch(5.0) as drawing:
        panels = drawing.subplots(2, 3, squeeze=False).T.ravel()
        colours = [
            colour.token
            for colour in palette.series_colours(
                ["sl", "twap", "rule", "published", "ppo"]
            ).values()
        ]
        labels = [label for _, label in BARS] + ["published, better of two", "ours, three seeds"]
        for panel, (name, row) in zip(panels, found.items(), strict=False):
            values = [row[key] for key, _ in BARS] + [row["published_best"], row["ours"]]
            bars = panel.bar(range(len(values)), values, color=colours)
            low, high = row["ours"] - row["ci_low"], row["ci_high"] - row["ours"]
            panel.errorbar(
                [len(values) - 1],
                [row["ours"]],
                [[low], [high]],
                color=palette.INK.token,
                capsize=3,
            )
            panel.bar_label(bars, fmt="%.2f", fontsize=7.5, padding=4)
            panel.axhline(0.0, color=palette.RULE.token, linewidth=0.8)
            panel.set_title(name.replace("_", ", ") + " lots")
            panel.set_xticks([])
            panel.margins(y=0.14)
        drawing.legend(list(bars), labels, loc="outside lower center", ncols=3, fontsize=8.5)
        drawing.supylabel(
            "ticks a lot over the arrival bid", fontsize=9.5, color=palette.SOFT.token
        )

    alt = "Bars of five strategies in each of the six tasks of Cheridito and Weiss."
    caption = (
        "Reward in ticks a lot over the arrival bid; more is better. Ours with its 95 % interval."
    )
    return finish_figure(drawing, "cheridito-weiss", alt, caption)

"""`tercel market list`: the presets that are shipped, with their scores."""

from typing import Any

from tercel.app.commands.market_score import predicted
from tercel.app.output import print_json, print_table
from tercel.market.flow import preset as presets
from tercel.market.score.card import calibrated_on


def rows() -> list[dict[str, Any]]:
    """{"name", "model", "symbol", "calibrated_on", "judged", "prediction", "scores"} of every shipped preset."""
    found = []
    for name in presets.names():
        preset = presets.load(name)
        scores = preset.card.get("scores")
        found.append(
            {
                "name": name,
                "model": preset.model,
                "symbol": preset.symbol,
                "calibrated_on": calibrated_on(preset),
                "judged": bool(scores and scores.get("judged")),
                "prediction": preset.card.get("prediction"),
                "scores": scores or {},
            }
        )
    return found


def run(as_json: bool) -> int:
    """Print them."""
    found = rows()
    if as_json:
        print_json({"presets": found})
        return 0
    cells = []
    for row in found:
        scores = row["scores"]
        passed = [
            f"{sum(g['passed'] for g in gates.values())}/{len(gates)}" if (gates := scores.get(key)) else ""
            for key in ("gates", "dynamics")
        ]
        figures = [scores.get(k) for k in ("mean_l1", "floor_mean_l1", "pooled_floor_mean_l1", "classifier_auc")]
        shown = ["" if x is None else f"{x:.4f}" for x in figures]
        days = row["calibrated_on"]
        about = days[0] if len(days) == 1 else f"{days[0]} .. {days[-1]}, {len(days)} days" if days else ""
        cells.append(
            [
                row["name"], row["model"], predicted(row["prediction"]), row["symbol"], about, *shown, *passed,
                "yes" if row["judged"] else "no",
            ]
        )  # fmt: skip
    headings = [
        "preset", "model", "Spearman", "symbol", "calibrated on", "MEAN14", "floor", "pooled", "AUC", "gates",
        "dynamics", "judged",
    ]  # fmt: skip
    leaves = ["pooled", "symbol", "judged", "gates", "dynamics", "AUC", "calibrated on", "floor", "MEAN14"]
    print_table("presets and their scores on held-out tape", headings, cells, leaves, words=["model", "calibrated on"])
    return 0

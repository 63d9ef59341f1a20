"""The score of a market as a page: verdict first, then the pictures, then every figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tercel.app.commands.market_score import DYNAMICS, dynamics_rows
from tercel.market.impact.card import LENGTH_S
from tercel.market.score import figures
from tercel.market.score.realism import Drawn
from tercel.report.impact_figures import decay_and_response, impact_by_size, metaorder_paths
from tercel.report.page import Section, render
from tercel.report.svg import Figure
from tercel.report.tables import plain_table


def write(folder: Path, drawn: Drawn, card: dict[str, Any], impact: dict[str, Any] | None = None) -> Path:
    """Write ``report.html`` into `folder` (made if need be) and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page(drawn, card, impact), encoding="utf-8")
    return path


def page(drawn: Drawn, card: dict[str, Any], impact: dict[str, Any] | None = None) -> str:
    """The whole page; `impact` is the whole impact card where it was measured."""
    gates = card["gates"]
    passed = sum(gate["passed"] for gate in gates.values())
    failed = [name.replace("_", " ") for name, gate in gates.items() if not gate["passed"]]
    facts = {
        "model": card["model"],
        "calibrated on": _some(card["calibrated_on"]),
        "scored on": _some(card["scored_on"]),
        "paths a day": card["seeds"],
        "classifier AUC": f"{_text(card['classifier_auc'])} (real against real {_text(card['classifier_auc_real'])})",
        "judged": "yes" if card["judged"] else "no",
    }
    lead = (
        f"Mean L1 distance {_text(card['mean_l1'])} to tape it has not seen, where another real day is "
        f"{_text(card['floor_mean_l1'])} away and the days calibrated on, pooled, "
        f"{_text(card['pooled_floor_mean_l1'])}. {passed} of {len(gates)} gates passed"
        + (f"; missed: {', '.join(failed)}." if failed else ".")
    )
    sections = [
        Section("Distances and floors", html=_distances(card), figures=[figures.floors(card["distances"])]),
        Section("Gates", "What marginal laws do not show.", html=_gates(card), figures=[figures.moves(drawn)]),
        Section(
            "Dynamics", "How it moves, and what lasts.", html=plain_table(DYNAMICS, dynamics_rows(card["dynamics"]))
        ),
        Section("Laws", figures=[figures.laws(drawn)]),
        Section("Memory", figures=[figures.memories(drawn)]),
        Section("Given the spread, and the time of day", html=_given(card), figures=[figures.conditionals(drawn)]),
        Section(
            "Impact",
            "" if any(card["impact"].values()) else "Not measured in this score (--impact).",
            html=_impact(card),
            figures=_impact_figures(impact) if impact else (),
        ),
    ]
    if card["notes"]:
        sections.append(Section("Notes", card["notes"]))
    return render(f"How real is {card['preset']}?", lead, sections, facts, "tercel market score")


def _impact_figures(impact: dict[str, Any]) -> list[Figure]:
    return [
        metaorder_paths(impact["path"], LENGTH_S),
        impact_by_size(impact["sizes"], impact["lengths"]),
        decay_and_response(impact["decay"], impact["response"]),
    ]


def _distances(card: dict[str, Any]) -> str:
    rows = [
        [name.replace("_", " "), *(_text(row[k]) for k in ("l1", "wasserstein", "floor_l1", "pooled_floor_l1"))]
        for name, row in card["distances"].items()
    ]
    means = [card["mean_l1"], None, card["floor_mean_l1"], card["pooled_floor_mean_l1"]]
    halves = [card["interleaved_mean_l1"], None, card["interleaved_floor_mean_l1"], None]
    rows.append(["mean of the first 14", *(_text(x) for x in means)])
    rows.append(["the same, odd against even half hours", *(_text(x) for x in halves)])
    return plain_table(["statistic", "L1", "Wasserstein", "floor: a real day", "floor: real days pooled"], rows)


def _gates(card: dict[str, Any]) -> str:
    rows = [
        [
            name.replace("_", " "), _text(gate["value"], 4), _text(gate["real"], 4),
            _text(card["gates_train"].get(name, {}).get("real"), 4), "yes" if gate["passed"] else "no",
        ]
        for name, gate in card["gates"].items()
    ]  # fmt: skip
    return plain_table(["", "simulated", "held-out tape", "tape calibrated on", "passed"], rows)


def _given(card: dict[str, Any]) -> str:
    rows = [[name, _text(row["l1"]), _text(row["pooled_floor_l1"])] for name, row in card["conditional"].items()]
    return plain_table(["statistic | given", "L1", "floor: real days pooled"], rows)


def _impact(card: dict[str, Any]) -> str:
    if not any(card["impact"].values()):
        return ""
    rows = [
        [name.replace("_", " "), *(_text((value or {}).get(k)) for k in ("mean", "ci_low", "ci_high"))]
        for name, value in card["impact"].items()
    ]
    return plain_table(["", "mean", "from", "to"], rows)


def _some(days: Sequence[str]) -> str:
    return ", ".join(days) if len(days) <= 3 else f"{days[0]} to {days[-1]} ({len(days)} days)"


def _text(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"

"""`python -m studies event-study`: what size on show did on recorded days, as tables and a page."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studies.tape.event_study import FACTORS, TELLS, Study, event_study
from studies.tape.shown import HORIZONS_S
from tercel.cli import print_json, print_table, say
from tercel.core import Estimate, write_page
from tercel.core.report import NOTHING, format_interval
from tercel.market.observed import Observed

WORDS = {
    "opposite_orders": "opposite market orders, number",
    "opposite_lots": "opposite market orders, lots",
    "opposite_over_other_orders": "opposite over other side, number",
    "opposite_over_other_lots": "opposite over other side, lots",
    "other_orders": "other side's market orders, number",
    "other_lots": "other side's market orders, lots",
    "own_cancels": "own side's cancels, lots",
    "own_cancels_by_others": "the same without the order's own",
    "other_cancels": "other side's cancels, lots",
    "own_adds": "own side's limit orders, lots",
    "other_adds": "other side's limit orders, lots",
}
DRIFT = "mid_drift_ticks"
ASKED = ("opposite_orders", "opposite_lots", "opposite_over_other_orders")
HEAD = tuple(f"{seconds:g} s" for seconds in HORIZONS_S)


def run(
    symbol: str, days: Mapping[str, Observed], *, out: Path | None, seed: int, as_json: bool
) -> None:
    """Measure, print, and write `event_study.json` and `event_study.html` to `out`.

    Raises
    ------
    ConfigError
        Days that cannot be used.
    """
    study = event_study(symbol, days, seed)
    card = asdict(study)
    if out is not None:
        write_page(out, "event_study", card, page(study))
        say(f"report  {out / 'event_study.html'}")
    if as_json:
        print_json(card)
    else:
        show(study)


def show(study: Study) -> None:
    """The tables."""
    for date, why in study.left_out.items():
        say(f"left out  {date}: {why}")
    about = f"{study.symbol}, {len(study.days)} day{'s' if len(study.days) > 1 else ''}, clusters: {study.clusters}"
    rows = [
        (f"{kind}, k >= {k}: {WORDS[outcome]}", str(study.events[kind][str(k)]),
         *(cell_text(cell) for cell in study.effects[kind][str(k)][outcome].values()))
        for kind in study.effects for k in FACTORS for outcome in ASKED
    ]  # fmt: skip
    title = f"{about}: after / placebo [95 %], a usual order has {study.usual_lots:g} lots"
    print_table(title, ("", "orders", *HEAD), rows, drop_order=("orders", "10 s"))
    for kind, factors in study.effects.items():
        cells = factors[str(FACTORS[0])]
        lines = [
            (words, *(cell_text(cell) for cell in cells[outcome].values()))
            for outcome, words in WORDS.items()
        ]
        lines += [
            (f"  placebo: {WORDS[o]}", *(placebo_text(cell) for cell in cells[o].values()))
            for o in ASKED
        ]
        lines.append(
            (
                "drift of the mid, ticks (difference)",
                *(cell_text(cell) for cell in cells[DRIFT].values()),
            )
        )
        print_table(
            f"{about}: {kind}, k >= {FACTORS[0]}, every outcome",
            ("", *HEAD),
            lines,
            drop_order=("10 s",),
        )
    slopes = [
        ("after [95 %]", *(interval(r["mean"], r["ci_low"], r["ci_high"]) for r in study.lots_per_lot_shown.values())),
        ("placebo", *(f"{r['placebo']:.3f}" for r in study.lots_per_lot_shown.values())),
        ("beyond the placebo",
         *(interval(r["beyond"], r["beyond_low"], r["beyond_high"]) for r in study.lots_per_lot_shown.values())),
    ]  # fmt: skip
    print_table(
        f"{about}: extra opposite lots for each lot shown",
        ("", *HEAD),
        slopes,
        drop_order=("10 s",),
    )
    say(
        f"?: cannot tell; a factor of {TELLS:g} (a quarter of the spread, of a drift) would have been missed too often"
    )


def cell_text(cell: dict[str, Any] | None) -> str:
    """One cell: estimate and interval, `?` where it cannot tell, a dash where there are too few."""
    if not cell:
        return NOTHING
    mean = cell["after_over_placebo"] if "after_over_placebo" in cell else cell["difference"]
    return interval(mean, cell["ci_low"], cell["ci_high"], 2) + ("" if cell["tells"] else " ?")


def placebo_text(cell: dict[str, Any] | None) -> str:
    """The placebo of a cell."""
    return (
        interval(cell["placebo"], cell["placebo_low"], cell["placebo_high"], 2) if cell else NOTHING
    )


def interval(mean: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """A number and its interval."""
    return format_interval(
        Estimate.of({"mean": mean, "ci_low": low, "ci_high": high}), digits=digits
    )


def page(study: Study) -> str:
    """The page of pictures."""
    from studies.tape.event_study_figures import by_horizon, by_outcome, drift_and_slope
    from tercel.core.report import Section, render_page

    events = {
        f"{kind}, k >= {k}": n for kind, factors in study.events.items() for k, n in factors.items()
    }
    sections = [
        Section(
            "Do market orders come to size on show?",
            "Limit orders of several times the usual size, beside usual ones at like moments of the same day.",
            figures=[by_horizon(study.effects, study.symbol)], facts=events,
        ),
        Section("Everything else", figures=[by_outcome(study.effects, study.symbol, WORDS)]),
        Section(
            "Drift, and lots for each lot",
            figures=[drift_and_slope(study.effects, study.lots_per_lot_shown, study.symbol)],
        ),
    ]  # fmt: skip
    facts = {
        "days": len(study.days), "clusters": study.clusters, "usual order": f"{study.usual_lots:g} lots",
        "left out": ", ".join(study.left_out) or "none",
    }  # fmt: skip
    return render_page(
        f"Size on show in {study.symbol}", lead(study), sections, facts,
        f"python -m studies event-study --symbol {study.symbol}",
    )  # fmt: skip


def lead(study: Study) -> str:
    """The finding in a sentence."""
    cell = study.effects["join"][str(FACTORS[0])]["opposite_orders"]["60"]
    if not cell:
        return "Too few large orders joined the touch to say anything."
    mean, low, high = (cell[key] for key in ("after_over_placebo", "ci_low", "ci_high"))
    text = f"In the minute after an order of {FACTORS[0]} usual sizes joined, opposite market orders came {mean:.2f} times"
    return f"{text} as often as after usual ones, after / placebo, 95 % [{low:.2f}, {high:.2f}]" + (
        "." if cell["tells"] else ": this tape cannot tell."
    )

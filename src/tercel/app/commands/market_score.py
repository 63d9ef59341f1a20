"""`tercel market score`: the realism card of a preset on days that it has not seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tercel.app.commands.market_days import days_of, refuse_seen, train_days
from tercel.app.output import print_json, print_table, say
from tercel.core.errors import ConfigError
from tercel.market.flow.preset import Preset, load
from tercel.market.score.card import compact, score
from tercel.market.score.realism import Drawn
from tercel.market.score.sample import CURVES

DASH = "\N{EN DASH}"


def run(
    which: str,
    lake: Path,
    *,
    dates: Sequence[str],
    symbol: str,
    venue: str,
    start: str,
    end: str,
    seeds: int,
    out: Path | None,
    classifier: bool,
    impact: bool,
    seen: bool,
    write: bool,
    as_json: bool,
) -> int:
    """Score, show, and write the report and the card where asked."""
    preset = load(which)
    if write and not which.endswith(".json"):
        raise ConfigError("a preset file (.json) to write the scores into", f"the name {which}", "give its path")
    days = days_of(preset, lake, dates, symbol=symbol, venue=venue, start=start, end=end)
    if not seen:
        refuse_seen(preset, days)
    drawn = Drawn(preset, days, train_days(lake, preset), range(1, seeds + 1))
    measured = impact_of(preset) if impact else None
    card = score(drawn, classifier=classifier, impact=measured or preset.card.get("scores", {}).get("impact"))
    if write:
        kept = {**preset.card, "scores": compact(card)}
        preset.model_copy(update={"card": kept}).save(Path(which))
        say(f"written  {which}")
    if out is not None:
        from tercel.app.commands import market_report  # matplotlib and jinja2 only where a page is asked for

        say(f"report   {market_report.write(out, drawn, card, measured)}")
    if as_json:
        print_json(card)
    else:
        show(card)
    return 0


def impact_of(preset: Preset) -> dict[str, Any]:
    """The impact card (minutes of paired metaorders)."""
    from tercel.market.impact.card import impact_card

    return impact_card(preset)


def show(card: dict[str, Any]) -> None:
    """The card as tables."""
    rows = [[name.replace("_", " "), *(_cell(row[key]) for key in COLUMNS)] for name, row in card["distances"].items()]
    at = len(rows) - len(CURVES)
    mean = ["mean of 14", _cell(card["mean_l1"]), "", _cell(card["floor_mean_l1"]), _cell(card["pooled_floor_mean_l1"])]
    rows.insert(at, mean)
    title = f"{card['preset']} ({card['model']}) on {', '.join(card['scored_on'])}"
    headings = ["statistic", "L1", "Wasserstein", "floor: a real day", "floor: real days pooled"]
    print_table(f"{title}: distance to real tape", headings, rows)
    gates = [
        [
            name.replace("_", " "), _cell(gate["value"], 4), _cell(gate["real"], 4),
            _cell(card["gates_train"].get(name, {}).get("real"), 4), "yes" if gate["passed"] else "NO",
        ]
        for name, gate in card["gates"].items()
    ]  # fmt: skip
    headings = ["", "simulated", "real", "calibrated on", "passed"]
    passed = sum(gate["passed"] for gate in card["gates"].values())
    print_table(f"gates: {passed} of {len(gates)} passed", headings, gates, ["calibrated on"], words=["passed"])
    given = [[name, _cell(row["l1"]), _cell(row["pooled_floor_l1"])] for name, row in card["conditional"].items()]
    if given:
        print_table("L1 given the spread, and given the half hour", ["statistic | given", "L1", "floor"], given)
    facts = [
        ["classifier AUC, simulated against real", _cell(card["classifier_auc"])],
        ["classifier AUC, real against real", _cell(card["classifier_auc_real"])],
        ["ten-minute blocks, odd against even", _cell(card["interleaved_floor_mean_l1"])],
        *([f"impact: {key.replace('_', ' ')}", _interval(value)] for key, value in card["impact"].items() if value),
        ["the bars apply (default model, two hours each)", "yes" if card["judged"] else "no"],
    ]
    print_table("and", ["", "value"], facts)
    for note in card["notes"]:
        say(f"note: {note}")


COLUMNS = ("l1", "wasserstein", "floor_l1", "pooled_floor_l1")


def _cell(value: float | None, digits: int = 3) -> str:
    if value is None:
        return DASH
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"


def _interval(value: Any) -> str:
    if not value:
        return DASH
    return f"{_cell(value.get('mean'))} [{_cell(value.get('ci_low'))}, {_cell(value.get('ci_high'))}]"

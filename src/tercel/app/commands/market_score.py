"""`tercel market score`: the realism card of a preset on days that it has not seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tercel.app.commands.market_days import days_of, refuse_seen, train_days
from tercel.app.output import print_json, print_table, say
from tercel.core.errors import ConfigError
from tercel.market.flow.preset import Preset, load
from tercel.market.score.card import keep, score, score_by_card
from tercel.market.score.realism import Drawn
from tercel.market.score.sample import CURVES

DASH = "\N{EN DASH}"


def run(
    which: str,
    lake: Path | None,
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
    """Score, show, and write the report and the card where asked; without a lake against the tape on the card.

    Raises
    ------
    ConfigError, TapeError
        Days that are missing or cannot be used; a lake without dates or the other way round.
    """
    preset = load(which)
    if lake is None:
        if dates or symbol or venue or start or end or out is not None or impact or seen or write:
            raise ConfigError(
                "--lake with the days to score on", "options about days without it",
                "name both, or neither to score against the tape on the card",
            )  # fmt: skip
        _print(score_by_card(preset, range(1, seeds + 1)), as_json)
        return 0
    if not dates:
        raise ConfigError("--date with --lake", f"--lake {lake} alone", "name the days to score on, or leave out both")
    file = file_to_write(which) if write else None
    days = days_of(preset, lake, dates, symbol=symbol, venue=venue, start=start, end=end)
    if not seen:
        refuse_seen(preset, days)
    drawn = Drawn(preset, days, train_days(lake, preset), range(1, seeds + 1))
    measured = impact_of(preset) if impact else None
    card = score(drawn, classifier=classifier, impact=measured or preset.card.get("scores", {}).get("impact"))
    if file is not None:
        keep(preset, drawn.tape, card).save(file)
        say(f"written  {file}")
    if out is not None:
        from tercel.app.commands import market_report  # matplotlib and jinja2 only where a page is asked for

        say(f"report   {market_report.write(out, drawn, card, measured)}")
    _print(card, as_json)
    return 0


def file_to_write(which: str) -> Path:
    """The file of a preset that is to keep what was found.

    Raises
    ------
    ConfigError
        A name and no file.
    """
    if not which.endswith(".json"):
        raise ConfigError("a preset file (.json) to write into", f"the name {which}", "give its path")
    return Path(which)


def _print(card: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(card)
    else:
        show(card)


def impact_of(preset: Preset) -> dict[str, Any]:
    """The impact card (minutes of paired metaorders)."""
    from tercel.market.impact.card import impact_card

    return impact_card(preset)


def show(card: dict[str, Any]) -> None:
    """The card as tables."""
    if card["prediction"]:
        print_table("does it predict tape?", ["", "value"], prediction_rows(card["prediction"]))
    rows = [[name.replace("_", " "), *(_cell(row[key]) for key in COLUMNS)] for name, row in card["distances"].items()]
    at = len(rows) - len(CURVES)
    rows[at:at] = [
        [words, *(_cell(card[key]) if key else "" for key in keys)]
        for words, keys in (
            ("mean of 14", ("mean_l1", "", "floor_mean_l1", "pooled_floor_mean_l1")),
            ("mean of 14, odd against even half hours", ("interleaved_mean_l1", "", "interleaved_floor_mean_l1", "")),
        )
    ]
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
    if card["dynamics"]:
        rows = dynamics_rows(card["dynamics"])
        passed = sum(row["passed"] for row in card["dynamics"].values())
        near = [abs(r["train"] - r["real"]) <= r["bar"] for r in card["dynamics"].values() if r["train"] is not None]
        beside = f"; by the days calibrated on {sum(near)} of {len(near)}" if near else ""
        print_table(
            f"dynamics: {passed} of {len(rows)} passed{beside}", DYNAMICS, rows,
            ["calibrated on", "bar", "interval"], words=["passed"],
        )  # fmt: skip
    given = [[name, _cell(row["l1"]), _cell(row["pooled_floor_l1"])] for name, row in card["conditional"].items()]
    if given:
        print_table("L1 given the spread, and given the half hour", ["statistic | given", "L1", "floor"], given)
    facts = [
        ["classifier AUC, simulated against real", _cell(card["classifier_auc"])],
        ["classifier AUC, real against real", _cell(card["classifier_auc_real"])],
        *([f"impact: {key.replace('_', ' ')}", _interval(value)] for key, value in card["impact"].items() if value),
        ["the bars apply (default model, two hours each)", "yes" if card["judged"] else "no"],
    ]
    print_table("and", ["", "value"], facts)
    for note in card["notes"]:
        say(f"note: {note}")


DYNAMICS = ("", "simulated", "real", "interval", "floor", "bar", "calibrated on", "passed")


def dynamics_rows(dynamics: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each figure."""
    return [
        [
            name.replace("_", " "), _cell(row["value"]), _cell(row["real"]),
            f"{_cell(row['ci_low'])} to {_cell(row['ci_high'])}",
            *(_cell(row[key]) for key in ("floor", "bar", "train")), "yes" if row["passed"] else "NO",
        ]
        for name, row in dynamics.items()
    ]  # fmt: skip


def predicted(one: Mapping[str, Any] | None) -> str:
    """Spearman of a kept prediction with its interval, and the tape's own ceiling.

    >>> predicted({"spearman": {"mean": 0.86, "ci_low": 0.71, "ci_high": 0.97, "ceiling": 0.95}})
    '0.86 [0.71, 0.97] of 0.95'
    """
    if not one or one["spearman"]["mean"] is None:
        return ""
    found = one["spearman"]
    interval = "" if found["ci_low"] is None else f" [{found['ci_low']:.2f}, {found['ci_high']:.2f}]"
    return f"{found['mean']:.2f}{interval}" + ("" if found["ceiling"] is None else f" of {found['ceiling']:.2f}")


def prediction_rows(one: Mapping[str, Any]) -> list[list[str]]:
    """What `tercel market predict` found and kept."""
    signs = one["signs"]
    agree = "" if signs["agree"] is None else f", {signs['agree']:.0%} with the same sign"
    return [
        [f"Spearman over {one['strategies']} strategies, of the tape's ceiling", predicted(one) or DASH],
        ["Spearman over those that mostly rest", predicted({"spearman": one["spearman_resting"]}) or DASH],
        ["pairs told apart on tape", f"{signs['told']}{agree}"],
        ["days of tape", str(len(one["days"]))],
    ]


COLUMNS = ("l1", "wasserstein", "floor_l1", "pooled_floor_l1")


def _cell(value: float | None, digits: int = 3) -> str:
    if value is None:
        return DASH
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"


def _interval(value: Any) -> str:
    if not value:
        return DASH
    return f"{_cell(value.get('mean'))} [{_cell(value.get('ci_low'))}, {_cell(value.get('ci_high'))}]"

"""`tercel market score`: the realism card of a preset on days that it has not seen, or another benchmark's figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.shared import PRESET, AsJson, From, PresetsSymbol, To, Venue, listed_dates
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.report.cells import NOTHING
from tercel.report.tables import spelt
from tercel.report.terminal import hand_over, print_table, say

Rows = list[list[str]]


@dataclass(frozen=True)
class ScoreRequest:
    """What is asked of `tercel market score`."""

    preset: Annotated[str, PRESET]
    lake: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tape lake. Default: the tape of the preset's card; lob-bench: see --data.",
            metavar="DIR",
        ),
    ] = None
    dates: Annotated[str, typer.Option("--date", help="Days to score on, separated by commas.", metavar="D[,D...]")] = (
        ""
    )
    symbol: PresetsSymbol = ""
    venue: Venue = ""
    start: From = ""
    end: To = ""
    seeds: Annotated[
        int | None, typer.Option(help="Simulated paths for each day. Default: 3, by lob-bench 5.", min=1, max=100)
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", metavar="DIR")] = None
    by: Annotated[
        str, typer.Option(help="Whose figures: tercel, or lob-bench (its own code; see --peers).", metavar="JUDGE")
    ] = "tercel"
    peers: Annotated[
        Path | None,
        typer.Option(
            help="(lob-bench) A clone of peernagy/lob_bench, or its folder.", envvar="TERCEL_PEERS", metavar="DIR"
        ),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            help="(lob-bench, without --lake) Folder of data sets with held-out days of csco, ibm, amzn or goog.",
            envvar="TERCEL_DATA",
            metavar="DIR",
        ),
    ] = None
    windows: Annotated[int, typer.Option(help="(lob-bench) Windows of 500 messages a side.", min=2, max=10_000)] = 64
    classifier: Annotated[bool, typer.Option(help="Train the classifier (needs scikit-learn).")] = True
    impact: Annotated[bool, typer.Option("--impact", help="Measure the impact card too (minutes).")] = False
    seen: Annotated[bool, typer.Option("--seen", help="Score on days calibrated on all the same.")] = False
    write: Annotated[
        bool, typer.Option("--write", help="Keep scores, and the tape that they need, in the preset file's card.")
    ] = False
    as_json: AsJson = False


def score(request: ScoreRequest) -> None:
    """Score a market against tape that it has not seen (a lake's, or its card's), real against real beside it."""
    if request.by not in ("tercel", "lob-bench"):
        raise UnknownNameError("a judge: tercel, lob-bench", f"--by {request.by}", "name one of them")
    if request.by == "lob-bench":
        if request.out is not None or request.impact or request.write:
            raise ConfigError("--by lob-bench alone", "--out, --impact or --write", "leave them out; --json has all")
        found = _by_lob_bench(request, listed_dates(request.dates))
        hand_over(found, request.as_json, lambda: show_lob_bench(found))
    else:
        card = (
            _by_card(request) if request.lake is None else _by_tape(request, request.lake, listed_dates(request.dates))
        )
        hand_over(card, request.as_json, lambda: show(card))


def _by_card(request: ScoreRequest) -> dict[str, Any]:
    """Against the tape on the preset's card."""
    alone = (
        request.symbol,
        request.venue,
        request.start,
        request.end,
        request.out,
        request.impact,
        request.seen,
        request.write,
    )
    if request.dates or any(alone):
        raise ConfigError(
            "--lake with the days to score on", "options about days without it",
            "name both, or neither to score against the tape on the card",
        )  # fmt: skip
    from tercel.market.flow.preset import load
    from tercel.market.score.card import score_by_card

    return score_by_card(load(request.preset), range(1, (request.seeds or 3) + 1))


def _by_tape(request: ScoreRequest, lake: Path, dates: list[str]) -> dict[str, Any]:
    """On days of a lake; the report and the card are written where asked."""
    if not dates:
        raise ConfigError("--date with --lake", f"--lake {lake} alone", "name the days to score on, or leave out both")
    file = file_to_write(request.preset) if request.write else None
    from tercel.market.flow.preset import load
    from tercel.market.impact.card import impact_card
    from tercel.market.score.card import keep
    from tercel.market.score.card import score as scored
    from tercel.market.score.realism import ScoreDraw
    from tercel.market.score.stretches import days_of, refuse_seen, train_days

    preset = load(request.preset)
    days = days_of(
        preset, lake, dates, symbol=request.symbol, venue=request.venue, start=request.start, end=request.end
    )
    if not request.seen:
        refuse_seen(preset, days)
    drawn = ScoreDraw(preset, days, train_days(lake, preset), range(1, (request.seeds or 3) + 1))
    measured = impact_card(preset) if request.impact else None
    known = preset.card.get("scores", {}).get("impact")
    card = scored(drawn, classifier=request.classifier, impact=measured or known)
    if file is not None:
        keep(preset, drawn.tape, card).save(file)
        say(f"written  {file}")
    if request.out is not None:
        from tercel.cli import market_report  # matplotlib and jinja2 only where a page is asked for

        say(f"report   {market_report.write(request.out, drawn, card, measured)}")
    return card


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


def _by_lob_bench(request: ScoreRequest, dates: list[str]) -> dict[str, Any]:
    """By the benchmark's own code; without a lake, on the days of its data set in `--data`."""
    from tercel.market.flow.preset import load
    from tercel.market.score.days import of_one_market
    from tercel.market.score.lob_bench import MOST_LEVELS, distances, lob_bench, scored
    from tercel.market.score.sets import data_days
    from tercel.market.score.stretches import days_of, refuse_seen

    preset = load(request.preset)
    symbol, venue, start, end = request.symbol, request.venue, request.start, request.end
    with lob_bench(request.peers) as bench:
        if request.lake is None:
            days = data_days((venue or preset.venue, symbol or preset.symbol), request.data, dates, start, end)
        else:
            days = days_of(preset, request.lake, dates, symbol=symbol, venue=venue, start=start, end=end)
        of_one_market(preset, days)
        if not request.seen:
            refuse_seen(preset, days)
        levels = min([MOST_LEVELS, *(day.instrument.levels or MOST_LEVELS for day in days)])

        def judge(real: Any, other: Any) -> dict[str, Any]:
            return distances(bench, real, other, levels)

        return scored(preset, days, levels, request.seeds or 5, request.windows, judge)


# -- what people see --------------------------------------------------------------------------------------------------

DISTANCES = ("statistic", "L1", "Wasserstein", "floor: a real day", "floor: real days pooled")
GATES = ("", "simulated", "real", "calibrated on", "passed")
DYNAMICS = ("", "simulated", "real", "interval", "floor", "bar", "calibrated on", "passed")
GIVEN = ("statistic | given", "L1", "floor")
MEANS = {
    "mean of 14": ("mean_l1", "", "floor_mean_l1", "pooled_floor_mean_l1"),
    "mean of 14, odd against even half hours": ("interleaved_mean_l1", "", "interleaved_floor_mean_l1", ""),
}


def show(card: dict[str, Any]) -> None:
    """The card as tables."""
    if card["prediction"]:
        print_table("does it predict tape?", ["", "value"], prediction_rows(card["prediction"]))
    title = f"{card['preset']} ({card['model']}) on {', '.join(card['scored_on'])}"
    print_table(f"{title}: distance to real tape", DISTANCES, distance_rows(card))
    print_table(
        f"gates: {passed(card['gates'], ' of ')} passed", GATES, gate_rows(card), ["calibrated on"], left=["passed"]
    )
    if card["dynamics"]:
        near = [abs(r["train"] - r["real"]) <= r["bar"] for r in card["dynamics"].values() if r["train"] is not None]
        beside = f"; by the days calibrated on {sum(near)} of {len(near)}" if near else ""
        print_table(
            f"dynamics: {passed(card['dynamics'], ' of ')} passed{beside}", DYNAMICS, dynamics_rows(card),
            ["calibrated on", "bar", "interval"], left=["passed"],
        )  # fmt: skip
    if card["conditional"]:
        print_table("L1 given the spread, and given the half hour", GIVEN, given_rows(card))
    facts = [
        ["classifier AUC, simulated against real", cell(card["classifier_auc"])],
        ["classifier AUC, real against real", cell(card["classifier_auc_real"])],
        *([f"impact: {name}", text] for name, text in impact_rows(card)),
        ["the bars apply (default model, two hours each)", "yes" if card["judged"] else "no"],
    ]
    print_table("and", ["", "value"], facts)
    for note in card["notes"]:
        say(f"note: {note}")


def distance_rows(card: Mapping[str, Any]) -> Rows:
    """A row for each statistic, the means before the curves, which are not in them."""
    from tercel.market.score.sample import CURVES

    columns = ("l1", "wasserstein", "floor_l1", "pooled_floor_l1")
    rows = [[_in_words(name), *(cell(row[key]) for key in columns)] for name, row in card["distances"].items()]
    at = len(rows) - len(CURVES)
    rows[at:at] = [[name, *(cell(card[key]) if key else "" for key in keys)] for name, keys in MEANS.items()]
    return rows


def gate_rows(card: Mapping[str, Any]) -> Rows:
    """A row for each gate."""
    return [
        [
            _in_words(name), cell(gate["value"], 4), cell(gate["real"], 4),
            cell(card["gates_train"].get(name, {}).get("real"), 4), "yes" if gate["passed"] else "NO",
        ]
        for name, gate in card["gates"].items()
    ]  # fmt: skip


def dynamics_rows(card: Mapping[str, Any]) -> Rows:
    """A row for each figure of how it moves."""
    return [
        [
            _in_words(name), cell(row["value"]), cell(row["real"]), f"{cell(row['ci_low'])} to {cell(row['ci_high'])}",
            *(cell(row[key]) for key in ("floor", "bar", "train")), "yes" if row["passed"] else "NO",
        ]
        for name, row in card["dynamics"].items()
    ]  # fmt: skip


def given_rows(card: Mapping[str, Any]) -> Rows:
    """A row for each statistic given the spread or the half hour."""
    return [[name, cell(row["l1"]), cell(row["pooled_floor_l1"])] for name, row in card["conditional"].items()]


def impact_rows(card: Mapping[str, Any]) -> Rows:
    """A row for each figure of impact that was measured."""
    return [[_in_words(name), spelt(one, digits=3)] for name, one in card["impact"].items() if one]


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
    interval = "" if found["ci_low"] is None else f" [{found['ci_low']:.2f}, {found['ci_high']:.2f}]"
    return f"{found['mean']:.2f}{interval}" + ("" if found["ceiling"] is None else f" of {found['ceiling']:.2f}")


def prediction_rows(one: Mapping[str, Any]) -> Rows:
    """What `tercel market predict` found and kept."""
    signs = one["signs"]
    agree = "" if signs["agree"] is None else f", {signs['agree']:.0%} with the same sign"
    return [
        [f"Spearman over {one['strategies']} strategies, of the tape's ceiling", predicted(one) or NOTHING],
        ["Spearman over those that mostly rest", predicted({"spearman": one["spearman_resting"]}) or NOTHING],
        ["pairs that differ significantly on tape", f"{signs['told']}{agree}"],
        ["days of tape", str(len(one["days"]))],
    ]


def cell(value: float | None, digits: int = 3) -> str:
    """A number of so many digits."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if digits == 3 else f"{value:.{digits}g}"


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def show_lob_bench(found: Mapping[str, Any]) -> None:
    """The benchmark's table and what it comes to."""
    from tercel.market.score.lob_bench import METRICS

    rows = [
        [_in_words(name), *(f"{value:.3f}" for key in METRICS for value in (row[key], row["real"][key]))]
        for name, row in found["scores"].items()
    ]
    real, ratio = found["real"], found["ratio"]
    means = (found["mean_l1"], real["mean_l1"], found["mean_w1"], real["mean_w1"])
    rows.append(["mean", *(f"{value:.3f}" for value in means)])
    title = (
        f"{found['preset']} ({found['model']}) on {', '.join(found['scored_on'])} by LOB-Bench: {found['windows']} "
        f"windows a side of {found['messages']} messages, {found['levels']} levels, {found['seeds']} seeds"
    )
    print_table(title, ("score", "L1", "real L1", "Wasserstein", "real Wasserstein"), rows)
    say(f"{ratio['l1']:.2f} x the recorded half beside it in L1, {ratio['w1']:.2f} x in Wasserstein")
    by_seed = ", ".join(f"{one['mean_l1']:.3f} / {one['mean_w1']:.3f}" for one in found["by_seed"])
    say(f"by seed, L1 / Wasserstein: {by_seed}")

"""`tercel market predict`: the same strategies in a simulated market and on held-out days of tape, side by side."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercel.cli import (
    PRESET,
    JsonRequest,
    Lake,
    PresetsSymbol,
    Seed,
    check_folder,
    file_to_write,
    hand_over,
    page_folder,
    parse_dates,
    print_table,
    say,
    share_of,
)
from tercel.core import Record, to_jsonable
from tercel.core.report import format_interval, plain_table

if TYPE_CHECKING:
    from studies.prediction.prediction import Prediction

HEADINGS = ("strategy", "simulated, bps", "tape, bps", "passive", "late", "theirs, bps")


@dataclass(frozen=True)
class Predict(JsonRequest):
    """What is asked of `tercel market predict`."""

    preset: Annotated[str, PRESET]
    lake: Lake
    date: Annotated[
        list[str],
        typer.Option(
            help="Days that the market was not calibrated on, separated by commas; may be given again.",
            metavar="D[,D...]",
        ),
    ]
    symbol: PresetsSymbol = ""
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="Rules (all: every one), or policies as in `tercel agent evaluate`; may be given again. "
            "Default: all.",
            metavar="NAME[,NAME...]",
        ),
    ] = None
    episodes: Annotated[
        int,
        typer.Option(
            help="Simulated orders; on tape all that fit.", min=2, max=1_000_000, metavar="N"
        ),
    ] = 1_000
    seed: Seed = 1
    share: Annotated[
        float,
        typer.Option(
            help="The order, as a share of the volume expected in half an hour: 0.1 or 10%.",
            metavar="X",
            parser=share_of,
        ),
    ] = 0.1
    impact: Annotated[
        str,
        typer.Option(help="Law of impact on tape: square_root, propagator, none.", metavar="LAW"),
    ] = "square_root"
    out: Annotated[Path | None, page_folder("prediction")] = None
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Keep correlations, signs and days in the preset file's card."
        ),
    ] = False


def predict(request: Predict) -> None:
    """Ask whether simulation predicts tape: the same strategies in a market and on its held-out days."""
    check_folder(request.out)
    dates, seed, impact = parse_dates(",".join(request.date)), request.seed, request.impact
    from studies.prediction.prediction import predict as compared
    from studies.prediction.prediction_runs import (
        THEIRS,
        candidates_of,
        refuse_calibrated,
        sides,
    )
    from tercel import Task
    from tercel.execution import Market
    from tercel.lab.evaluation.pipeline import judged_days, refuse_leaks
    from tercel.lab.evaluation.pipeline.experiment import scenarios_of
    from tercel.market.flow import load

    began = time.process_time()
    preset = load(request.preset)
    file = file_to_write(request.preset) if request.write else None
    candidates = candidates_of(request.strategy or ("all",))
    task = Task(share=request.share)
    tape = Market(
        "",
        str(request.lake),
        request.symbol or preset.symbol,
        tuple(dates),
        impact or "",
        bound="kind",
    )
    home = Market(request.preset)
    beside = replace(home, bound=tape.bound) if home.on_tape else home
    (own,) = scenarios_of(
        [beside], task, seeds=(seed,), episodes=0 if beside.on_tape else request.episodes
    ).values()
    judged = scenarios_of([tape], task, seeds=(seed,))
    settings = {preset.name: own, **judged}
    refuse_calibrated(request.preset, judged)
    notes = refuse_leaks([one for one in candidates if one.is_learned], settings.values())
    simulated, recorded = (replace(one, name=name) for name, one in settings.items())
    results, more = sides(simulated, recorded, preset.name, candidates, seed)
    found = Predicted(
        market=preset.name,
        symbol=settings[recorded.name].market.symbol,
        dates=list(judged_days(settings[recorded.name]).days),
        impact=impact,
        task=task.to_dict(),
        episodes={where: side.episodes for where, side in results.items()},
        days=results["tape"].resampled.clusters,
        finding=compared(results["simulated"], results["tape"], results.get(THEIRS), seed),
        notes=[*notes, *more],
        cpu_s=time.process_time() - began,
    )
    if file is not None:
        preset.model_copy(update={"card": {**preset.card, "prediction": card_of(found)}}).save(file)
        say(f"written  {file}")
    hand_over(
        found, request.as_json, lambda: show(found), request.out, "prediction", lambda: page(found)
    )


@dataclass(frozen=True)
class Predicted(Record):
    """What is printed and written: what was compared, the finding, and what a reader has to know."""

    market: str
    symbol: str
    dates: list[str]
    impact: str
    task: Mapping[str, object]
    episodes: Mapping[str, int]
    days: int
    finding: "Prediction"
    notes: list[str]
    cpu_s: float

    def json_fields(self) -> dict[str, object]:
        """The finding stands among the rest."""
        found = super().json_fields()
        last = {key: found.pop(key) for key in ("notes", "cpu_s")}
        del found["finding"]
        return found | self.finding.json_fields() | last

    @property
    def sentences(self) -> list[str]:
        """The finding in words."""
        from studies.prediction.prediction import in_words

        days = "day" if len(self.dates) == 1 else "days"
        return in_words(self.finding, self.market, f"{len(self.dates)} {days} of {self.symbol}")


def card_of(found: Predicted) -> dict[str, Any]:
    """Entry of a prediction on a preset's card."""
    from tercel.market import round_values

    ours, strategies = found.finding.ours, len(found.finding.strategies)
    ranks = {"spearman": ours.spearman, "spearman_resting": ours.spearman_resting}
    kept = to_jsonable(
        {"days": found.dates, "strategies": strategies, **ranks, "symbol": found.symbol}
    )
    for key in ranks:
        del kept[key]["halves"]
    rest = {
        "impact": found.impact,
        "episodes": found.episodes,
        "signs": ours.signs,
        "shares": found.finding.shares,
    }
    card: dict[str, Any] = round_values(kept | to_jsonable(rest), 4)
    return card


# -- what people see --------------------------------------------------------------------------------------------------


def show(found: Predicted) -> None:
    """The table and its sentences."""
    title = (
        f"{found.market}: {found.episodes['simulated']:,} simulated orders, {found.episodes['tape']:,} on {found.days} "
        f"{'days' if len(found.dates) > 1 else 'half hours'} of {found.symbol} tape, cheapest there first; "
        "shares: simulated / tape"
    )
    print_table(title, HEADINGS, rows_of(found))
    for sentence in found.sentences:
        say(sentence)
    say(f"{found.cpu_s:.0f} s of CPU")


def rows_of(found: Predicted) -> list[list[str]]:
    """Rows of the table, one a strategy."""
    return [
        [
            name,
            *(format_interval(row.interval_bps[where]) for where in ("simulated", "tape")),
            *(
                f"{share['simulated']:.2f} / {share['tape']:.2f}"
                for share in (row.passive_share, row.late_share)
            ),
            format_interval(row.interval_bps.get("theirs")),
        ]
        for name, row in found.finding.strategies.items()
    ]


def page(found: Predicted) -> str:
    """The page of pictures."""
    from studies.prediction.prediction_figures import costs, shares
    from tercel.core.report import Section, render_page

    lead, *rest = found.sentences
    rows, facts = found.finding.strategies, {"notes": " ".join(found.notes)}
    sections = [
        Section("Who is cheap here and there", rest, figures=[costs(rows, found.symbol)]),
        Section("How orders are filled", figures=[shares(rows, found.symbol)]),
        Section("Every strategy", NOTE, html=plain_table(HEADINGS, rows_of(found)), facts=facts),
    ]
    facts = {
        "days": f"{len(found.dates)}, {found.dates[0]} to {found.dates[-1]}",
        **{f"orders, {key}": str(n) for key, n in found.episodes.items()},
    }
    title = f"Does {found.market} predict {found.symbol}?"
    return render_page(title, lead, sections, facts, f"tercel market predict {found.market}")


NOTE = (
    "Bps of the order's value with 95 % intervals over simulated orders and over days; theirs: on tape, with lots that "
    "trade at an own order's price left to the tape. Passive: share filled while resting, simulated / tape; late: "
    "forced at the horizon."
)

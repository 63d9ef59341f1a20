"""`tercel agent tune`: the numbers of written strategies, found on training episodes, held out on validation."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from tercel.cli.order import MarketOptions
from tercel.cli.shared import JsonRequest, Seed
from tercel.cli.terminal import hand_over, print_table, say
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import nearest, offer

if TYPE_CHECKING:
    from tercel.lab.evaluation.tuning_tasks import TuningSettings

HEADINGS = (
    "strategy",
    "validation, bps",
    "s.e.",
    "final, bps",
    "final s.e.",
    "before",
    "training, bps",
    "episodes",
)


@dataclass(frozen=True)
class Tune(MarketOptions, JsonRequest):
    """What is asked of `tercel agent tune`."""

    interrupted: ClassVar[str] = "what is finished is kept; the same command goes on"

    strategies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Strategies to tune, NAME or NAME+events; all rules that can be when none is named."
        ),
    ] = None
    episodes: Annotated[
        int,
        typer.Option(
            help="Training episodes of each search; by the number of parameters when 0.", min=0
        ),
    ] = 0
    validation: Annotated[int, typer.Option(help="Validation episodes; 1,024 when 0.", min=0)] = 0
    seed: Seed = 1
    out: Annotated[Path | None, typer.Option(help="File of the values found.", metavar="FILE")] = (
        None
    )


def tune(request: Tune) -> None:
    """Tune written strategies on training episodes; name the best on validation episodes: the baseline."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE
    from tercel.lab.evaluation.tuning_tasks import (
        finals,
        rank,
        read_results,
        result_of,
        tune_all,
        write_json,
    )

    names, settings = _names(request.strategies or ()), _settings(request)
    market = settings.run.market
    label = market.symbol or Path(market.preset).stem
    out = request.out or Path("runs/tuned") / f"{label}-{request.seed}.json"
    if out.exists():
        raise ConfigError("a new file", f"{out} exists", "name another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:10]
    parts = out.with_name(f".{out.stem}-{digest}.parts")
    parts.mkdir(exist_ok=True)
    plain = [name for name in ALL_BASELINES if name not in TUNABLE]
    tune_all(settings, names, plain, parts)
    finals(settings, [*names, *plain], parts)
    result = result_of(label, settings, read_results(parts, [*names, *plain]))
    write_json(out, result)
    shutil.rmtree(parts)

    def show() -> None:
        rows = sorted(
            {**result["strategies"], **result["untuned"]}.items(), key=lambda item: rank(item[1])
        )
        print_table(
            f"Tuned in {label}, cheapest first", HEADINGS, [_cells(name, one) for name, one in rows]
        )
        for name, one in rows:
            if lost := _lost(one):
                say(f"{name}: {lost}")
        say(
            f"the baseline: {result['best']}, the best on validation episodes that chose nothing else"
        )
        say(f"values    {out}")

    hand_over({**result, "out": str(out)}, request.as_json, show)


def _names(request: Sequence[str]) -> list[str]:
    """Strategies to tune; if none is named, all but the best response, whose search takes as long as theirs."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE

    for name in request:
        rule, _, clock = name.partition("+")
        if rule not in TUNABLE or clock not in ("", "events"):
            known = f"{', '.join(TUNABLE)}, any of them with +events"
            raise UnknownNameError(f"a strategy to tune: {known}", repr(name), _instead(rule))
    return list(dict.fromkeys(request)) or [name for name in ALL_BASELINES if name in TUNABLE]


def _instead(name: str) -> str:
    """What to do about a name that cannot be tuned: some strategies exist and have no numbers."""
    from tercel.execution.strategies import ALL_BASELINES, TUNABLE

    for near in (name, *nearest(name, ALL_BASELINES)):
        if near in ALL_BASELINES and near not in TUNABLE:
            return f"leave it out: {near} exists, but has nothing to tune, and is validated beside the others anyway"
    return offer(name, TUNABLE)


def _settings(request: Tune) -> "TuningSettings":
    """What decides the result."""
    from tercel.lab.evaluation.market import looked_up
    from tercel.lab.evaluation.settings import MarketTask
    from tercel.lab.evaluation.tuning_tasks import VALIDATION_EPISODES, TuningSettings

    if request.validation == 1:
        raise ConfigError(
            "two validation episodes or more", "1", "leave --validation out for 1,024"
        )
    market, episodes, held_out = (
        request.markets()[0],
        request.episodes,
        request.validation or VALIDATION_EPISODES,
    )
    looked_up(market)
    return TuningSettings(MarketTask(market), episodes, held_out, request.seed)


def _lost(one: dict[str, Any]) -> str:
    """Episodes in which orders found no place, by kind; empty where none did."""
    from tercel.lab.evaluation.tuning import OVERFLOWED_BPS

    counts = [(one.get("training_overflowed", 0), one.get("training_episodes", 0), "training")]
    held_out = [(one[kind], kind) for kind in ("validation", "final") if kind in one]
    counts += [(score.get("overflowed", 0), score["episodes"], kind) for score, kind in held_out]
    counted = ", ".join(f"{lost:,} of {of:,} {kind}" for lost, of, kind in counts if lost)
    return (
        f"capacity overflow in {counted} episodes, {OVERFLOWED_BPS:g} bps dearer each"
        if counted
        else ""
    )


def _cells(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    held_out = one["validation"]
    last = one.get("final")
    cells = [name, f"{held_out['bps']:.2f}", f"{held_out['se']:.2f}"]
    cells += [f"{last['bps']:.2f}", f"{last['se']:.2f}"] if last else ["", ""]
    if "parameters" not in one:
        return (*cells, "", "", "")
    before, training = one["begun_from"]["bps"], one["training_bps"]
    return (*cells, f"{before:.2f}", f"{training:.2f}", f"{one['training_episodes']:,}")

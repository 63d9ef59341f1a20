"""`python -m studies transfer`: what the market that an agent learned in does to it elsewhere."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from studies.transfer.judged import WRITTEN, Transfer, candidates_of, compare, judge_elsewhere
from tercel import Task
from tercel.app.commands.run import train
from tercel.app.job.judging import Candidate, told_interval
from tercel.app.job.pool import Pool
from tercel.app.job.settings import FILE, QUICK_EPISODES, QUICK_FRAMES, RunSettings, load_settings
from tercel.app.output import print_json, print_table, progress_console, say
from tercel.core.errors import ConfigError
from tercel.learning import defaults
from tercel.market.flow.preset import load
from tercel.market.impact.propagator import TAPE_LAWS
from tercel.market.tape import Lake
from tercel.report.figures import paired_differences
from tercel.report.page import Section, render
from tercel.report.tables import plain_table

HEADINGS = ("learner", "trained in", "judged in", "IS", "best written", "its IS", "saves", "saves on one at home")
LEAVES = ("its IS", "best written", "saves on one at home")
REPORT = "transfer.html"


def transfer(
    *,
    train_in: Sequence[str],
    judge_in: Sequence[str],
    lake: Path | None,
    symbol: str | None,
    impact: str,
    quick: bool,
    seed: int,
    out: Path,
    as_json: bool,
) -> int:
    """Train where `train_in` says, judge every policy in every market; see the module."""
    for name in (*train_in, *judge_in):
        load(name)
    if lake is not None and symbol is not None:
        Lake(lake).days(symbol)
        if impact not in TAPE_LAWS:
            expected = f"an impact law on tape: {', '.join(TAPE_LAWS)}"
            raise ConfigError(expected, f"--impact {impact}", "such as --impact square_root")
    homes = {name: _home(name, quick, seed, out) for name in dict.fromkeys(train_in)}
    places = {name: _simulated(name, quick, seed) for name in dict.fromkeys((*train_in, *judge_in))}
    if lake is not None and symbol is not None:
        places[f"{symbol} tape"] = _on_tape(lake, symbol, impact, quick, seed)
    for name, settings in homes.items():
        say(f"train in {name}")
        train(settings, _folder(out, name))
    _judge(homes, places, out)
    rng = np.random.default_rng((seed, 17))
    some = next(iter(homes.values()))
    lines = [
        line
        for place in places
        for line in compare(
            place, {home: _judged(out, place, home) for home in homes}, _judged(out, place, "written"), some, rng
        )
    ]
    page = out / REPORT
    page.write_text(_page(lines, seed, quick), encoding="utf-8")
    if as_json:
        print_json({"seed": seed, "quick": quick, "impact": impact, "rows": [asdict(line) for line in lines]})
    else:
        title = "Agents in markets that they did not learn in, bps"
        cells = [_cells(line) for line in lines]
        print_table(title, HEADINGS, cells, leaves=LEAVES, words={"trained in", "judged in", "best written"})
        say(f"report  {page}")
    return 0


def _folder(out: Path, name: str) -> Path:
    return out / "trained" / Path(name).stem


def _judged(out: Path, place: str, home: str) -> Path:
    return out / "judged" / Path(place).stem.replace(" ", "-") / Path(home).stem


def _home(name: str, quick: bool, seed: int, out: Path) -> RunSettings:
    """Settings of the training in a market; those of a training that is there already are gone on with."""
    settings = _simulated(name, quick, seed)
    folder = _folder(out, name)
    if (folder / FILE).exists():
        kept = load_settings(folder)
        if kept != settings:
            raise ConfigError(
                f"trainings of these options in {out}", f"{folder} was started with others", "name another --out"
            )
        return kept
    settings.claim(folder, named=True)
    return settings


def _simulated(name: str, quick: bool, seed: int) -> RunSettings:
    market = str(Path(name).resolve()) if name.endswith(".json") else name
    settings = RunSettings(
        market=market, seed=seed, task=Task(), ppo_frames=defaults.PPO_FRAMES, dqn_frames=defaults.DQN_FRAMES
    )
    return _quick(settings) if quick else settings


def _on_tape(lake: Path, symbol: str, impact: str, quick: bool, seed: int) -> RunSettings:
    settings = RunSettings(lake=str(lake.resolve()), symbol=symbol, impact=impact, seed=seed, task=Task())
    return _quick(settings) if quick else settings


def _quick(settings: RunSettings) -> RunSettings:
    return replace(
        settings, quick=True, episodes=QUICK_EPISODES, seeds=1, ppo_frames=QUICK_FRAMES, dqn_frames=QUICK_FRAMES
    )


def _judge(homes: dict[str, RunSettings], places: dict[str, RunSettings], out: Path) -> None:
    """Every policy and every written strategy in every place, what is there left alone."""
    from rich.progress import Progress

    jobs: list[tuple[RunSettings, Path, Path, Candidate]] = []
    for place, settings in places.items():
        jobs += [(settings, out, _judged(out, place, "written"), Candidate(name)) for name in WRITTEN]
        for home, trained in homes.items():
            folder = _folder(out, home)
            jobs += [(settings, folder, _judged(out, place, home), one) for one in candidates_of(trained)]
    todo = [job for job in jobs if not (job[2] / job[3].file).exists()]
    if not todo:
        return
    with Progress(console=progress_console()) as progress, Pool(len(todo)) as pool:
        bar = progress.add_task("judge elsewhere", total=len(todo))
        pool.run(judge_elsewhere, todo, lambda done: progress.update(bar, completed=done))


def _cells(line: Transfer) -> tuple[str, ...]:
    return (
        line.learner,
        line.trained_in,
        line.judged_in,
        told_interval(line.is_bps),
        line.best_written,
        f"{line.written_bps:.2f}",
        told_interval(line.gain_bps, "+"),
        "" if line.against_home_bps is None else told_interval(line.against_home_bps, "+"),
    )


def _page(lines: Sequence[Transfer], seed: int, quick: bool) -> str:
    gains = {
        f"{line.learner} of {line.trained_in} in {line.judged_in}": {
            "mean": line.gain_bps.mean, "ci_low": line.gain_bps.ci_low, "ci_high": line.gain_bps.ci_high
        }
        for line in lines
    }  # fmt: skip
    lead = (
        "Each agent learned in one market and is judged in all of them, beside the best written strategy of the market "
        "it is judged in, placement one tick behind the touch included."
    )
    if quick:
        lead += " --quick: too few frames and episodes to judge an agent by."
    table = plain_table(HEADINGS, [_cells(line) for line in lines])
    figure = paired_differences(gains, "the best written strategy there")
    section = Section("What each saves", html=table, figures=(figure,))
    return render("Agents in markets that they did not learn in", lead, [section], {"seed": seed})

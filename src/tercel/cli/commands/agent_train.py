"""Body of `tercel agent train`: read what is told, train with a bar, write the page."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tercel.cli.agent_train import Train
from tercel.core.errors import ConfigError, TercelError
from tercel.core.locks import LOCK, alone
from tercel.core.names import check_known
from tercel.learning.agent.config import AgentConfig, preset_file, preset_names, read_config
from tercel.learning.agent.env import MakeEnv
from tercel.learning.agent.guards import variants_tried
from tercel.learning.agent.learner import refuse_settings, with_algo
from tercel.learning.agent.ray import spread, with_shards
from tercel.learning.agent.recipe import ALGORITHMS
from tercel.learning.agent.report import unlearned, write_page
from tercel.learning.agent.run_folder import FILE, claim, is_done, refuse_another, refuse_changed, resumed
from tercel.learning.agent.training import run_training
from tercel.learning.port import Metrics
from tercel.report.terminal import print_json, progress, say

RUNS = Path("runs/agents")
INTERRUPTED = 130
FINISHED = "{}: it was finished; nothing was trained"
SEED = 1
"""Of a training that is told none."""


def train(request: Train, make: MakeEnv | None = None) -> None:
    """Train and say what came of it.

    Raises
    ------
    ConfigError
        Nothing or too much is given, or a folder that holds another run.
    """
    if request.workers is not None and request.ray is None:
        raise ConfigError("--workers with --ray", "--workers alone", "add --ray local, or the address of a cluster")
    with spread(request.ray, request.workers) as on_cluster:
        training_config, folder, seed_of = _configured(request)
        finished = is_done(folder)
        with _claimed(folder, training_config, seed_of, begun=request.resume is not None), stopped() as stop:
            result = with_bar(training_config, folder, seed_of, make or on_cluster, stop)
            if result["done"]:
                page = write_page(folder, training_config, result)
    if not result["done"]:
        trusted = " --trust" if training_config.own_code else ""
        raise KeyboardInterrupt(
            f"`tercel agent train --resume {folder}{trusted}` goes on at {result['frames']:,} decisions"
        )
    if finished:
        say(FINISHED.format(folder))
    if request.as_json:
        print_json({**result, "folder": str(folder), "report": str(page)})
        return
    best, nothing = result["best"], unlearned(result)
    gained = (
        f"{best['is_bps']:.2f} bps, {result['rule']} {best['rule_bps']:.2f}, gain {best['gain']:+.2f} +- "
        f"{best['se']:.2f} (one s.e., validation, best of {result['looks']} validation checks)"
    )
    say(f"{training_config.name}: {nothing or gained}")
    say(f"policy   {result['policy']}")
    say(f"report   {page}")
    if not nothing:
        say(f"judge it with `tercel agent evaluate {folder}`")


def _configured(request: Train) -> tuple[AgentConfig, Path, int]:
    """The configuration, the run folder and the seed."""
    config, preset, resume = request.config, request.preset, request.resume
    if resume is not None:
        if any(one is not None for one in (config, preset, request.out, request.algo)):
            raise ConfigError("--resume alone: the run knows the rest", "more beside it", "leave it out")
        begun = resumed(resume, trust=request.trust, seed=request.seed)
        refuse_settings(begun[0], str(resume / FILE))
        refuse_changed(resume, begun[0])
        if not (resume / "checkpoint").exists():
            say(f"no checkpoint in {resume}: from the start")
        if request.ray is not None and not begun[0].learner.shards:
            received = f"{resume} was begun without: its results would change"
            raise ConfigError("a run with learner.shards to go on with on a cluster", received, "go on without --ray")
        return begun
    if (config is None) == (preset is None):
        received = "neither" if config is None else "both"
        raise ConfigError("a configuration file or --preset NAME", received, f"presets: {', '.join(preset_names())}")
    file = preset_file(str(preset)) if config is None else config
    training_config = read_config(file)
    if request.algo is not None:
        check_known(request.algo, ALGORITHMS, "--algo", error=ConfigError)
        training_config = with_algo(training_config, request.algo)
    if request.ray is not None:
        training_config = with_shards(training_config, request.workers)
    chosen = SEED if request.seed is None else request.seed
    variants_tried(training_config)  # a sweep that is not there is refused before anything is written
    refuse_settings(training_config, str(file))
    folder = request.out or RUNS / f"{training_config.name}-{chosen}"
    refuse_another(folder, training_config, chosen)
    return training_config, folder, chosen


@contextmanager
def _claimed(folder: Path, training_config: AgentConfig, seed: int, *, begun: bool) -> Iterator[None]:
    """The run folder, claimed and kept from other trainings; given back where what was told is refused at its start.

    Raises
    ------
    ConfigError
        Another training goes on there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, "training"):
        if not begun:
            claim(folder, training_config, seed)
        try:
            yield
        except TercelError:
            _disclaim(folder)
            raise


def _disclaim(folder: Path) -> None:
    """Give a run folder back in which nothing was begun: what was refused may be corrected and tried again there."""
    if {path.name for path in folder.iterdir()} <= {FILE, LOCK}:
        for name in (FILE, LOCK):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


@contextmanager
def stopped() -> Iterator[list[bool]]:
    """A list that fills when Ctrl-C comes: the update under way ends and the state is kept. A second one breaks off."""
    requested_stops: list[bool] = []

    def ask(*_: object) -> None:
        if requested_stops:
            raise KeyboardInterrupt
        requested_stops.append(True)
        say("stopping after this update ...")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread: nobody can ask
        yield requested_stops
        return
    try:
        yield requested_stops
    finally:
        signal.signal(signal.SIGINT, before)


def with_bar(
    training_config: AgentConfig, folder: Path, seed: int, make: MakeEnv | None, stop: list[bool]
) -> dict[str, Any]:
    with progress(now=True) as shown:
        if training_config.oracle.frames:
            first = shown.add_task("train the teacher", total=training_config.oracle.frames, now="")
        bar = shown.add_task(f"train {training_config.name} seed {seed}", total=training_config.learner.frames, now="")

        def on_row(row: Metrics, best: Metrics | None) -> None:
            gain = f"best {best['gain']:+.2f} bps on the rule" if best else ""
            shown.update(bar, completed=row["frames"], now=gain)

        def on_teacher(row: Metrics) -> None:
            shown.update(first, completed=row["frames"])

        return run_training(
            training_config, folder, seed, make=make, on_row=on_row, on_teacher=on_teacher, stop=lambda: bool(stop)
        )

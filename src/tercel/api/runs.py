"""A run in a folder: trainings that start from a tuned rule, evaluated beside packaged policies and rules."""

import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from tercel.api.desk.config import RecordedMarket, best_policy, write_desk_file
from tercel.core.errors import ConfigError, split_commas
from tercel.core.locks import folder_lock
from tercel.core.pool import Pool, should_stop
from tercel.core.progress import progress, say
from tercel.execution.market import Market
from tercel.execution.orders import Order
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.task import Task
from tercel.lab.evaluation.market import BuiltMarket, build_market, preset_of
from tercel.lab.evaluation.pipeline.candidates import (
    Candidate,
    baselines_of,
    load_user_strategies,
    policies_of,
)
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.experiment import Experiment
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks, refuse_one_source
from tercel.lab.evaluation.pipeline.participants import Participants, recipes_of
from tercel.lab.evaluation.pipeline.sentences import QUICK as QUICK_NOTE
from tercel.lab.evaluation.scenario import EPISODES, Scenario
from tercel.lab.evaluation.training_files import METRICS_FILE as METRICS, read_partial_metrics
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.recipes import make_learnable, recipe_config
from tercel.lab.learning.agent.run_folder import POLICY, claim_folder, is_done
from tercel.lab.learning.agent.training import run_training
from tercel.market.simulator.bounds import KIND
from tercel.market.simulator.queue_models import DEFAULT
from tercel.market.simulator.terms import Fees

TRAINED: Final = "trained"
"""Name of the trainings of a run."""
FRAMES: Final = 400_000
"""Decisions that each training sees."""
SHIPPED: Final = "default"
"""The packaged policy that is judged beside them."""
BASELINE_NAMES: Final = "guarded,twap_repeg,popv,score_rule,twap_take,vwap_take,random"
"""Rules of the table; `tercel agent evaluate` judges all of them."""
VALIDATION_EPISODES: Final = 500
"""Episodes of each validation of a training's policy: at its start and its end."""
SELECTION_EPISODES: Final = 256
"""Episodes at most on which the best rule is chosen."""
QUICK_FRAMES: Final = 16_384
QUICK_EPISODES: Final = 64
QUICK: Final = {
    "validation.episodes": QUICK_EPISODES,
    "learner.population": 4,
    "learner.episodes": 2,
}
"""Smaller settings of a quick training."""
QUICK_VALIDATIONS: Final = 4
"""Validation checks of a quick training: four points of a curve."""
QUICK_WORLDS: Final = {"market.worlds": 8}
"""Further smaller settings, for a simulated market alone."""
RESULT: Final = "result.json"
REPORT: Final = "report.html"
FILE: Final = "run.json"
"""Everything that decides the results of a run."""
PRESET: Final = "market.json"


class TrainingJob(NamedTuple):
    """One training of a run."""

    config: AgentConfig
    folder: Path
    seed: int


@dataclass(frozen=True)
class Run:
    """Trainings in a scenario, evaluated beside the packaged policy and rules.

    Parameters
    ----------
    scenario : Scenario
        Market and order.
    quick : bool
        Whether it is a smoke test of the pipeline.
    seed : int
        Seed of all random draws.
    episodes : int
        Evaluated episodes in a simulated market (on tape every window is evaluated).
    seeds : int
        Number of training seeds.
    frames : int
        Decisions that each training sees.
    strategies : tuple of str
        The user's own strategies, by name (`execution.user_strategy`).
    folder : Path
        Folder of `run.json`, trainings, results, figures and page.
    built : BuiltMarket, optional
        The scenario's market, if it is built already.

    Raises
    ------
    ConfigError
        Counts below their least value (a damaged `run.json`).
    """

    scenario: Scenario
    quick: bool = False
    seed: int = 1
    episodes: int = EPISODES
    seeds: int = 1
    frames: int = 0
    strategies: tuple[str, ...] = ()
    folder: Path = field(default=Path(), compare=False)
    built: BuiltMarket | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse counts below their least value."""
        counts = {"episodes": 1, "seeds": 1, "frames": 0, "seed": 0}
        for name, least in counts.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ConfigError(
                    f"settings of a run whose {name} is a whole number from {least}",
                    repr(value),
                    "correct it, or start a new run in another folder",
                )

    @classmethod
    def load(cls, folder: Path) -> "Run":
        """Load the run of a folder.

        Raises
        ------
        ConfigError
            No run there, or a damaged file.
        """
        path = folder / FILE
        try:
            raw = json.loads(path.read_text())
            task = Task.of(raw.pop("task"))
            orders = tuple(Order(**row) for row in raw.pop("orders", ()))
            lake, impact, bound = (raw.pop(name, "") for name in ("lake", "impact", "bound"))
            market = Market(
                raw.pop("market"),
                lake,
                raw.pop("symbol", ""),
                tuple(split_commas(raw.pop("judged", ""))),
                # a run on tape that names neither was written before there was a choice
                impact or ("none" if lake else ""),
                fees=Fees(**raw.pop("fees", {})),
                regimes=raw.pop("regimes", ""),
                queue=raw.pop("queue", DEFAULT),
                bound=bound or (KIND if lake else ""),
                passive_impact=raw.pop("passive_impact", 1.0),
                impact_scale=raw.pop("impact_scale", 1.0),
            )
            strategies = tuple(raw.pop("strategies", ()))
            return cls(Scenario(market, task, orders), strategies=strategies, folder=folder, **raw)
        except OSError as error:
            raise ConfigError(
                "the folder of a run",
                f"{path}: {error.strerror}",
                "start one without `resume=True`",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                "a run's settings", f"{path}: {error}", "start a new run in another folder"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Values of `run.json`."""
        settings = {
            name: getattr(self, name) for name in ("quick", "seed", "episodes", "seeds", "frames")
        }
        scenario_fields = self.scenario.to_dict()
        market_fields = {name: scenario_fields.pop(name) for name in ("market", "lake", "symbol")}
        bound = {"bound": scenario_fields.pop("bound")} if "bound" in scenario_fields else {}
        strategies = {"strategies": self.strategies} if self.strategies else {}
        return {**market_fields, **settings, **scenario_fields, **strategies, **bound}

    @property
    def training_seeds(self) -> list[int]:
        """Seeds of the trainings, distinct from each other and from the judged episodes."""
        return [self.seed * 1000 + number for number in range(self.seeds)]

    def claim(self, folder: Path, user_named: bool) -> "Run":
        """Claim a new folder for the run, write its `run.json` atomically, and return the run with that folder.
        If the folder has a run already: ConfigError if it is `user_named`, else the first name with a number that is free.

        Of two runs that want one folder at the same time one gets it; the other is refused, or, where the folder was
        not `user_named` by a person, takes one with a number behind it.

        Raises
        ------
        ConfigError
            A named folder has become another run's.
        """
        for number in itertools.count(1):
            target = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
            target.mkdir(parents=True, exist_ok=True)
            part_file = target / f".{FILE}.{os.getpid()}.part"
            part_file.write_text(json.dumps(self.to_dict(), indent=2) + "\n")
            try:
                os.link(part_file, target / FILE)
                return replace(self, folder=target)
            except FileExistsError:
                if user_named:
                    raise ConfigError(
                        "a new run folder",
                        f"{folder} holds a run",
                        "add `resume=True` to go on with it, or name another `out=`",
                    ) from None
            finally:
                part_file.unlink()
        raise AssertionError("counting ends")

    def begin(self, folder: Path, *, resume: bool = False, user_named: bool = True) -> "Run":
        """Check a run (ConfigError), claim a folder for a new one or take the run of the folder; `finish` then trains.

        Parameters
        ----------
        folder : Path
        resume : bool
            Continue the run that the folder has.
        user_named : bool
            Whether a person chose the folder: if it is taken, no other name is used.

        Raises
        ------
        ConfigError
            An invalid market, order or folder: nothing was written.
        """
        scenario = replace(self.scenario, seeds=(self.seed,))
        refuse_one_source(scenario)
        built = None
        if not resume or (scenario.market.on_tape and scenario.task.share is None):
            built = build_market(scenario)  # refuses before anything is begun
        run = replace(self, folder=folder, built=built)
        run.trainings()
        if not resume:
            run = run.claim(folder, user_named=user_named)
        if scenario.market.on_tape and not (run.folder / PRESET).exists():
            preset = preset_of(scenario)
            if preset is not None:
                preset.save(run.folder / PRESET)
        return run

    def finish(self, footer: str = "") -> EvaluationRecord:
        """Run missing trainings and evaluations, write results and page (last line: `footer`); return the results.

        Raises
        ------
        ConfigError
            Another process runs there.
        """
        with folder_lock(self.folder, "run"):
            train(self, self.trainings())
            name = self.scenario.market.name
            folder = self.folder
            scenario = replace(
                self.scenario, orders=(), name=name, seeds=(self.seed,), episodes=self.episodes
            )
            experiment = Experiment(
                {name: scenario}, self.participants(), validation_episodes=SELECTION_EPISODES
            )
            return experiment.run(folder).write(folder, folder / RESULT, folder / REPORT, footer)

    def write_desk_file(self) -> str:
        """Write a desk file for the best policy; return the command that trades it, or the reason why no desk can."""
        policies = [policy_folder(self.folder, seed) for seed in self.training_seeds]
        market = self.scenario.market
        if market.on_tape:
            recorded = RecordedMarket(market.lake, market.symbol)
            preset = self.folder / PRESET
        else:
            recorded = None
            preset = Path(market.preset)
        best_folder = best_policy([policy / POLICY for policy in policies])
        return write_desk_file(self.folder, best_folder, recorded, preset)

    def trainings(self) -> list[TrainingJob]:
        """Trainings of the recipe with every seed; an order in lots on tape needs the built market."""
        on_tape = self.scenario.market.on_tape
        task = self.scenario.task
        learnable_scenario, _ = make_learnable(self.scenario)
        share = None
        if self.built is not None and on_tape and task.share is None:
            share = task.quantity / max(self.built.estimates.expected_volume, 1.0)
        values = {"validation.episodes": VALIDATION_EPISODES, "guards.variants": 1}
        if self.quick:
            values |= QUICK if on_tape else QUICK | QUICK_WORLDS
        values["validation.every"] = self.frames // QUICK_VALIDATIONS if self.quick else self.frames
        config = recipe_config(learnable_scenario, "es", self.frames, TRAINED, values, share)
        return [
            TrainingJob(config, policy_folder(self.folder, seed), seed)
            for seed in self.training_seeds
        ]

    def participants(self) -> Participants:
        """Candidates: the packaged policy, those of the run, the user's own strategies, and some rules."""
        seeds = self.training_seeds
        notes = list[str]()
        packaged = policies_of([SHIPPED])
        try:
            refuse_leaks(packaged, [self.scenario])
        except ConfigError:
            notes.append(
                f"The packaged policy, {SHIPPED}, is left out: it was trained on days that are evaluated here."
            )
            packaged = []
        folders = [policy_folder(self.folder, seed) for seed in seeds]
        own_policies = [
            Candidate(TRAINED if len(seeds) == 1 else folder.name, str(folder / POLICY))
            for folder in folders
        ]
        unknown = make_learnable(self.scenario)[1]
        if unknown:
            notes.append(
                f"Training knew no {' and no '.join(unknown)}; everybody is judged with it."
            )
        if self.quick:
            notes.append(QUICK_NOTE)
        candidates = [*own_policies, *packaged, *load_user_strategies(self.strategies)]
        return Participants(
            candidates,
            recipes_of(own_policies),
            {self.scenario.market.name: tuple(candidates)},
            notes,
            baselines_of(BASELINE_NAMES),
        )


def policy_folder(run_folder: Path, seed: int) -> Path:
    """Folder of a training, as of `tercel agent train`: metrics, checkpoints, the policy."""
    return run_folder / "policies" / f"{TRAINED}-{seed}"


def train(run: Run, jobs: Sequence[TrainingJob]) -> None:
    """Run the unfinished trainings of a run in parallel processes."""
    jobs = [job for job in jobs if not is_done(job.folder)]
    if not jobs:
        return
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        claim_folder(job.folder, job.config, job.seed)
    decisions = sum(job.config.learner.frames for job in jobs)
    if run.scenario.market.on_tape and not run.quick:
        say(
            f"{len(jobs)} trainings of {decisions:,} decisions in all come first: minutes (a quick run: less than one)"
        )
    if run.quick:
        say(
            f"a quick run: {decisions:,} decisions test the pipeline, and are too few to learn from"
        )
    with progress(now=True) as display, Pool(len(jobs)) as pool:
        bars = {
            job.folder: display.add_task(
                f"train {job.config.name} seed {job.seed}", total=job.config.learner.frames, now=""
            )
            for job in jobs
        }

        def tick(_done: int) -> None:
            """Advance each training's progress bar to its latest row of metrics."""
            for folder, bar in bars.items():
                for row in read_partial_metrics(folder / METRICS)[-1:]:
                    display.update(
                        bar,
                        completed=row["frames"],
                        now=f"{row['is_bps']:7.2f} bps" if "is_bps" in row else "",
                    )

        pool.run(train_task, [(job.config, job.folder, job.seed) for job in jobs], tick)
    for job in jobs:
        if (
            is_done(job.folder)
            and not (card := read_card(job.folder / POLICY / CARD)).is_start
            and card.selection_text
        ):
            say(f"{job.folder.name}: {card.selection_text}")


def train_task(config: AgentConfig, folder: Path, seed: int) -> bool:
    """Train one policy in a worker process; return whether the training is complete."""
    return run_training(config, folder, seed, stop=should_stop).done

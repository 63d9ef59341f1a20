"""A run: trainings up from a tuned rule, judged beside what ships and some written strategies; in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tercel.api.desk.config import RecordedMarket, best_of, how_to_trade
from tercel.api.judged import judge
from tercel.core.errors import ConfigError
from tercel.core.files import alone
from tercel.core.pool import Pool, stopping
from tercel.core.progress import progress, say
from tercel.execution.policies.card import read_card
from tercel.execution.policies.policy import CARD
from tercel.lab.evaluation.market import JobMarket, build_market, preset_of
from tercel.lab.evaluation.pipeline.candidates import (
    Candidate,
    baselines_of,
    own_of,
    policies_of,
    recipes_of,
)
from tercel.lab.evaluation.pipeline.evaluation_result import EvaluationResult
from tercel.lab.evaluation.pipeline.families import Participants
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks, refuse_one_source
from tercel.lab.evaluation.pipeline.request import EvaluationRequest
from tercel.lab.evaluation.pipeline.terminal import QUICK as QUICK_NOTE
from tercel.lab.evaluation.settings import QUICK_EPISODES, MarketTask, RunSettings
from tercel.lab.evaluation.training_files import FILE as METRICS
from tercel.lab.evaluation.training_files import rows_so_far
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.learner import configured, learnable
from tercel.lab.learning.agent.run_folder import POLICY, claim, is_done
from tercel.lab.learning.agent.training import run_training

TRAINED: Final = "trained"
"""What the trainings of a run are called."""
FRAMES: Final = 400_000
"""Decisions that each training sees."""
SHIPPED: Final = "default"
"""The packaged policy that is judged beside them."""
AGAINST: Final = "guarded,twap_repeg,popv,score_rule,twap_take,vwap_take,random"
"""Written strategies of the table; `tercel agent evaluate` judges all of them."""
CHECKED_ON: Final = 500
"""Episodes of each look at a training's policy: at its start and its end."""
CHOSEN_ON: Final = 256
"""Episodes at most on which the best written strategy is chosen."""
QUICK: Final = {
    "validation.episodes": QUICK_EPISODES,
    "learner.population": 4,
    "learner.episodes": 2,
}
"""What a quick training has less of."""
QUICK_LOOKS: Final = 4
"""Times that a quick training is looked at: four points of a curve."""
QUICK_WORLDS: Final = {"market.worlds": 8}
"""Where the market is simulated."""
RESULT: Final = "result.json"
REPORT: Final = "report.html"
PRESET: Final = "market.json"


class TrainingJob(NamedTuple):
    """One training of a run."""

    config: AgentConfig
    folder: Path
    seed: int


@dataclass(frozen=True)
class WholeRun:
    """A run that was begun in a folder.

    Parameters
    ----------
    settings : RunSettings
        Market, order, seeds and sizes.
    folder : Path
        Of settings, trainings, results, figures and page.
    market : JobMarket, optional
        Where it is built already.
    """

    settings: RunSettings
    folder: Path
    market: JobMarket | None = field(default=None, repr=False, compare=False)

    @classmethod
    def begin(
        cls, settings: RunSettings, folder: Path, *, resume: bool = False, named: bool = True
    ) -> "WholeRun":
        """Refuse what cannot be run, and claim a folder.

        Parameters
        ----------
        settings : RunSettings
        folder : Path
        resume : bool
            Go on with the run that the folder has.
        named : bool
            Whether a person chose the folder: where it is taken, another name will not do.

        Raises
        ------
        ConfigError
            A market, an order or a folder that will not do: nothing was written.
        """
        refuse_one_source(settings)
        market = None
        if not resume or (settings.market.on_tape and settings.task.share is None):
            market = build_market(settings, seed=settings.seed)  # refuses before anything is begun
        trainings(settings, folder, market)
        if not resume:
            folder = settings.claim(folder, named=named)
        if settings.market.on_tape and not (folder / PRESET).exists():
            preset = preset_of(settings)
            if preset is not None:
                preset.save(folder / PRESET)
        return cls(settings, folder, market)

    def finish(self, footer: str = "") -> EvaluationResult:
        """Train and judge what is missing, write results and page, whose last line is `footer`; what was found.

        Raises
        ------
        ConfigError
            Another process runs there.
        """
        with alone(self.folder, "run"):
            train(self.settings, trainings(self.settings, self.folder, self.market))
            return _judge(self.settings, self.folder, footer)

    def how_to_trade(self) -> str:
        """Write a desk's file for the best of its policies; the command that trades it, or why there is none."""
        policies = [policy_folder(self.folder, seed) for seed in self.settings.training_seeds]
        market = self.settings.market
        if market.on_tape:
            recorded, preset = RecordedMarket(market.lake, market.symbol), self.folder / PRESET
        else:
            recorded, preset = None, Path(market.preset)
        best = best_of([policy / POLICY for policy in policies])
        return how_to_trade(self.folder, best, recorded, preset)


# -- training ---------------------------------------------------------------------------------------------------------


def trainings(
    settings: RunSettings, out: Path, market: JobMarket | None = None
) -> list[TrainingJob]:
    """Trainings of a run: the recipe with every seed; an order of lots on tape wants the built market."""
    plain, _ = learnable(settings)
    share = None
    if market is not None and settings.market.on_tape and settings.task.share is None:
        share = settings.task.quantity / max(market.estimates.expected_volume, 1.0)
    values = {"validation.episodes": CHECKED_ON, "guards.variants": 1}
    if settings.quick:
        values |= QUICK if settings.market.on_tape else QUICK | QUICK_WORLDS
    values["validation.every"] = (
        settings.frames // QUICK_LOOKS if settings.quick else settings.frames
    )
    config = configured(plain, "es", settings.frames, TRAINED, values, share)
    return [TrainingJob(config, policy_folder(out, seed), seed) for seed in settings.training_seeds]


def policy_folder(out: Path, seed: int) -> Path:
    """The folder of a training, as `tercel agent train` leaves one: metrics, checkpoints, the policy."""
    return out / "policies" / f"{TRAINED}-{seed}"


def train(settings: RunSettings, jobs: Sequence[TrainingJob]) -> None:
    """Train what has not come to its end, side by side."""
    jobs = [job for job in jobs if not is_done(job.folder)]
    if not jobs:
        return
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        claim(job.folder, job.config, job.seed)
    decisions = sum(job.config.learner.frames for job in jobs)
    if settings.market.on_tape and not settings.quick:
        say(
            f"{len(jobs)} trainings of {decisions:,} decisions in all come first: minutes (a quick run: less than one)"
        )
    if settings.quick:
        say(
            f"a quick run: {decisions:,} decisions show the road; they begin as {SHIPPED}, and are too few to beat it"
        )
    with progress(now=True) as shown, Pool(len(jobs)) as pool:
        bars = {
            job.folder: shown.add_task(
                f"train {job.config.name} seed {job.seed}", total=job.config.learner.frames, now=""
            )
            for job in jobs
        }

        def tick(_done: int) -> None:
            for folder, bar in bars.items():
                for last in rows_so_far(folder / METRICS)[-1:]:
                    shown.update(
                        bar,
                        completed=last["frames"],
                        now=f"{last['is_bps']:7.2f} bps" if "is_bps" in last else "",
                    )

        pool.run(train_task, [(job.config, job.folder, job.seed) for job in jobs], tick)
    for job in jobs:
        if (
            is_done(job.folder)
            and not (card := read_card(job.folder / POLICY / CARD)).kept_start
            and card.kept
        ):
            say(f"{job.folder.name}: {card.kept}")


def train_task(config: AgentConfig, folder: Path, seed: int) -> bool:
    """Train one policy in a worker."""
    return bool(run_training(config, folder, seed, stop=stopping)["done"])


# -- judging ----------------------------------------------------------------------------------------------------------


def candidates(settings: RunSettings, scenario: MarketTask, name: str, out: Path) -> Participants:
    """Candidates besides the written strategies: the policy that ships, those of the run, the user's own."""
    seeds, notes = settings.training_seeds, list[str]()
    shipped = policies_of([SHIPPED])
    try:
        refuse_leaks(shipped, [scenario])
    except ConfigError:
        notes.append(
            f"The policy that ships, {SHIPPED}, is left out: it learned from days that are judged here."
        )
        shipped = []
    folders = [policy_folder(out, seed) for seed in seeds]
    mine = [
        Candidate(TRAINED if len(seeds) == 1 else folder.name, str(folder / POLICY))
        for folder in folders
    ]
    unknown = learnable(settings)[1]
    if unknown:
        notes.append(f"Training knew no {' and no '.join(unknown)}; everybody is judged with it.")
    if settings.quick:
        notes.append(QUICK_NOTE)
    everyone = [*mine, *shipped, *own_of(settings.strategies)]
    return Participants(everyone, recipes_of(mine), {name: tuple(everyone)}, notes)


def _judge(settings: RunSettings, out: Path, footer: str) -> EvaluationResult:
    """Judge everybody on the episodes of `tercel agent evaluate`."""
    scenario = MarketTask(settings.market, settings.task)
    request = EvaluationRequest(
        candidates(settings, scenario, settings.market.name, out),
        baselines_of(AGAINST),
        {settings.market.name: scenario},
        settings.episodes,
        (settings.seed,),
        chosen_on=CHOSEN_ON,
    )
    return judge(request, out).write(out, out / RESULT, out / REPORT, footer)

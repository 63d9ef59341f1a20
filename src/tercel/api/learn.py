"""`tercel.train`: training of a policy.

A training in its run folder: read, claimed, trained, resumed, for `tercel.train` and `agent train` alike.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tercel.api.curves import curve_writer
from tercel.api.desk.config import RecordedMarket, write_desk_file
from tercel.api.display import trim_traceback
from tercel.api.market import Market
from tercel.api.policy import Policy
from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import ConfigError, TercelError, check_known, refuse_if
from tercel.core.locks import LOCK, folder_lock
from tercel.core.progress import progress as bars, say
from tercel.execution.observation import ObservationFunction, name_of
from tercel.execution.task import Task
from tercel.execution.user_strategy import absolute_name
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.config import AgentConfig, preset_file, read_config
from tercel.lab.learning.agent.env import clusters
from tercel.lab.learning.agent.learner import refuse_settings, with_algo
from tercel.lab.learning.agent.policy_parts import observation_of
from tercel.lab.learning.agent.recipes import ALGORITHMS, make_learnable, recipe_config
from tercel.lab.learning.agent.report import write_page
from tercel.lab.learning.agent.run_folder import (
    CONFIG_FILE,
    POLICY,
    RESULT,
    TrainingResult,
    claim_folder,
    is_done,
    read_run as begun_in,
    refuse_changed,
    refuse_other_training,
)
from tercel.lab.learning.agent.training import run_training, variants_tried
from tercel.lab.learning.port import Metrics
from tercel.lab.learning.reward_terms import RewardWeights
from tercel.lab.learning.rewards import Reward

RUNS = Path("runs/agents")
Stop = Callable[[], bool]


@dataclass(frozen=True)
class TrainingRun:
    """One training run: its configuration, its seed, and the folder of its results.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        Made if need be; a training that was stopped there resumes.
    seed : int
    is_claimed : bool
        Whether the folder belongs to this training, regardless of its file.
    """

    config: AgentConfig
    folder: Path
    seed: int = 1
    is_claimed: bool = False

    @classmethod
    def of_file(
        cls,
        file: Path | str,
        *,
        algorithm: str = "",
        seed: int = 1,
        run_folder: Path | None = None,
        sharded: bool = False,
        workers: int | None = None,
    ) -> "TrainingRun":
        """The training of a TOML file, or of a shipped configuration by name; nothing is written or trained.
        ConfigError for a folder of another training.

        Parameters
        ----------
        file : Path or str
            File, or name of a built-in configuration.
        algorithm : str
            Another learner than the file's.
        seed : int
        run_folder : Path, optional
            Run folder; ``runs/agents/NAME-SEED`` if not given.
        sharded, workers : bool, int or None
            Whether environments are distributed over a cluster, and its number of workers.

        Raises
        ------
        ConfigError, UnknownNameError
            An invalid configuration, or a folder of another training: nothing was written.

        >>> TrainingRun.of_file("quick", seed=2).folder.as_posix()
        'runs/agents/quick-2'
        """
        path = preset_file(file) if isinstance(file, str) else file
        config = read_config(path)
        if algorithm:
            check_known(algorithm, ALGORITHMS, "`algo=`", error=ConfigError)
            config = with_algo(config, algorithm)
        if sharded:
            config = clusters().with_shards(config, workers)
        variants_tried(config)  # a sweep that is not there is refused before anything is written
        refuse_settings(config, str(path))
        folder = run_folder or RUNS / f"{config.name}-{seed}"
        refuse_other_training(folder, config, seed)
        return cls(config, folder, seed)

    @classmethod
    def resume(cls, folder: Path, *, trust: bool = False, seed: int | None = None) -> "TrainingRun":
        """The training that was begun in a folder, not run by this; ConfigError if its markets or functions have
        changed. `trust`: its user functions may run.

        Parameters
        ----------
        folder : Path
        trust : bool
            Whether its user functions may run.
        seed : int, optional
            Expected seed of the training.

        Raises
        ------
        ConfigError
            No training, a damaged or another one, or one whose markets and functions have changed.
        """
        config, _, its_seed = begun_in(folder, trust=trust, seed=seed)
        refuse_settings(config, str(folder / CONFIG_FILE))
        refuse_changed(folder, config)
        if not (folder / "checkpoint").exists():
            say(f"no checkpoint in {folder}: from the start")
        return cls(config, folder, its_seed, is_claimed=True)

    def train(
        self,
        *,
        progress: bool = False,
        stop: Stop | None = None,
        cluster: str | None = None,
        workers: int | None = None,
        on_row: Callable[..., None] | None = None,
    ) -> TrainingResult:
        """Train or resume until the policy is complete; a finished one is read.

        Parameters
        ----------
        progress : bool
            Whether to show progress bars on stderr.
        stop : callable, optional
            Called between updates; when it is true the state is saved and the training ends.
        cluster : str, optional
            Address of a Ray cluster whose workers act, `workers` of them.
        on_row : callable, optional
            Gets each row of metrics and the best check so far.

        Returns
        -------
        TrainingResult
            ``done`` is False if `stop` ended it.

        Raises
        ------
        ConfigError
            Another training is running there; a setting that the learner, the market or the cluster refuses.
        """
        with nullcontext() if cluster is None else clusters().spread(cluster, workers) as make:
            was_finished = is_done(self.folder)
            with self._claim_folder():
                if was_finished:
                    say(f"{self.folder}: it was finished; nothing was trained")
                    text = (self.folder / RESULT).read_text()
                    result = msgspec.convert(parse_json(text), TrainingResult)
                    return replace(result, policy=str(self.folder / POLICY))
                arguments = (self.config, self.folder, self.seed)
                if not progress:
                    return run_training(*arguments, make=make, stop=stop, on_row=on_row)
                with _progress_bar(self.config, self.seed, on_row) as show:
                    return run_training(*arguments, make=make, stop=stop, on_row=show)

    def report(self, result: TrainingResult) -> Path:
        """Write the page of a finished training, ``report.html`` in its folder."""
        return write_page(self.folder, self.config, result)

    def write_desk_file(self) -> str:
        """Write a desk file for its policy; return the command that trades it, or the reason why no desk can."""
        market = self.config.market
        recorded = RecordedMarket(market.lake, market.symbol) if self.config.on_tape else None
        preset = None if self.config.on_tape else Path(market.presets[0])
        return write_desk_file(self.folder, self.folder / POLICY, recorded, preset)

    @contextmanager
    def _claim_folder(self) -> Iterator[None]:
        """Context that claims the training's folder and locks it against others; a TercelError before anything was
        begun removes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(self.folder, "training"):
            if not self.is_claimed:
                claim_folder(self.folder, self.config, self.seed)
            try:
                yield
            except TercelError:
                self._remove_empty_folder()
                raise

    def _remove_empty_folder(self) -> None:
        """Remove the folder where nothing was begun in it."""
        if {path.name for path in self.folder.iterdir()} <= {CONFIG_FILE, LOCK}:
            for name in (CONFIG_FILE, LOCK):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()


@contextmanager
def _progress_bar(
    config: AgentConfig, seed: int, then: Callable[..., None] | None
) -> Iterator[Callable[[Metrics, Metrics | None], None]]:
    """Progress bar of a training; yields the callback that takes each row of metrics and passes it on to `then`."""
    with bars(now=True) as display:
        bar = display.add_task(
            f"train {config.name} seed {seed}", total=config.learner.frames, now=""
        )

        def on_row(row: Metrics, best: Metrics | None) -> None:
            """Advance the bar to a row of metrics; show decisions a second and the best validation cost so far."""
            speed = display.tasks[bar].speed
            parts = (
                f"{speed:,.0f} decisions a second" if speed else "",
                f"best {best['gain']:+.2f} bps on the rule" if best else "",
            )
            display.update(bar, completed=row["frames"], now=", ".join(filter(None, parts)))
            if then is not None:
                then(row, best)

        yield on_row


@trim_traceback
def train(
    market: Market,
    task: Task | None = None,
    *,
    algorithm: str = "ppo",
    frames: int = 500_000,
    seed: int = 1,
    name: str = "",
    reward: Reward | RewardWeights | str = "",
    observation: ObservationFunction | str = "",
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    tensorboard: str | Path | None = None,
) -> Policy:
    """Train a policy, as ``tercel agent train`` does, from the best strategy of the market; return it if it is better.

    The start is the cheapest of `guarded`, `default` and the tuned rules on training episodes. The learner decides when to
    deviate from it. The best policy by validation is returned if it is cheaper than the start on other episodes, by its
    95 % interval; otherwise the start is, and a line on stderr says so.

    Parameters
    ----------
    market : Market
        Market of the training; on tape the days before the evaluated ones. Fees and feed latency are not supported.
    task : Task
        Order to train on. Its start time is not used: training takes orders of the whole day.
    algorithm : str
        ppo, dqn; with Stable-Baselines3: sb3_ppo, sb3_maskable_ppo, sb3_recurrent_ppo, sb3_dqn, sb3_qrdqn.
    frames : int
        Number of decisions to train on. Below half a million the batches are smaller, so that there are enough of them.
    seed : int
        Seed of weights, noise and training episodes.
    name : str
        Name in tables; the algorithm if not given.
    reward : callable, RewardWeights or str
        Your own reward instead of minus the shortfall: a function of a :class:`Step`, weights of costs with terms of your
        own, or ``module:name`` of either. The selected policy is still the one with the lowest cost.
    observation : callable or str
        Your own observation: a function of a :class:`View` that returns numbers of shape (n, k), or ``module:name``;
        or "v2", "v3".
    settings : mapping, optional
        Dotted keys of the configuration file, such as ``{"learner.learning_rate": 1e-3}``.
    out : str or Path, optional
        Run folder with metrics and checkpoints: a training that was stopped resumes there. By default a temporary one;
        :meth:`Policy.save` keeps the policy.
    progress : bool
        Whether to show a progress bar on stderr.
    tensorboard : str or Path, optional
        Folder of an event file of TensorBoard, which gets each row of metrics as it comes (the extra ``tensorboard``).

    Raises
    ------
    ConfigError
        A market that training does not support, or an unknown setting of the learner; `out` holds another training.

    >>> from tercel.api.market import load_market
    >>> tiny = {"learner.markets": 8, "learner.steps": 8, "learner.minibatch": 32, "market.worlds": 1}
    >>> tiny["validation.episodes"] = 4
    >>> agent = train(load_market("csco-santa-fe"), Task(horizon="2min", decisions=4), frames=64, settings=tiny)
    >>> agent.name, agent.card.observation, agent.card.frames <= 64
    ('ppo', 'v2', True)
    """
    refuse_if(
        not isinstance(market, Market),
        "a tercel.Market",
        f"{type(market).__name__} {market!r}",
        "such as tercel.load_market('sh600961')",
    )
    refuse_if(not isinstance(seed, int) or seed < 0, "a seed from 0", repr(seed), "such as 1")
    order_task = task or Task()
    values = dict(settings or {})
    own_functions = dict[str, Any]()
    for key, setting in (("reward.own", reward), ("policy.observation", observation)):
        if setting:
            values[key] = absolute_name(setting) if isinstance(setting, str) else name_of(setting)
            own_functions |= {} if isinstance(setting, str) else {values[key]: setting}
    if observation and observation != "v2":
        values.setdefault("policy.stack", 1)
    config = recipe_config(
        trainable_scenario(market, order_task), algorithm, frames, name or algorithm, values
    ).with_functions(own_functions)
    temporary = TemporaryDirectory(prefix="tercel-")
    folder = Path(temporary.name if out is None else out)
    curves = None if tensorboard is None else curve_writer(folder, Path(tensorboard))
    TrainingRun(config, folder, seed).train(progress=progress, on_row=curves)
    own_observation = observation_of(config)
    policy = Policy(
        folder / POLICY,
        config.name,
        None if isinstance(own_observation, str) else own_observation,
        temporary,
    )
    if policy.card.is_start:
        say(f"{policy.name}: {policy.selection_text}")
    return policy


def trainable_scenario(market: Market, task: Task) -> Scenario:
    """The market and task as a scenario to train on; raises for what training does not support.

    Raises
    ------
    ConfigError
        The first unsupported setting.
    """
    settings, unknown = make_learnable(Scenario(market, task))
    if unknown:
        raise ConfigError(
            f"a market and an order without {unknown[0]} to train on",
            f"{market}, {task}",
            "train without it, and evaluate with it",
        )
    return settings

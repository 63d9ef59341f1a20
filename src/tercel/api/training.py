"""A training in its run folder: read, claimed, trained, gone on with, for `tercel.train` and `agent train` alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tercel.api.desk.config import RecordedMarket, how_to_trade
from tercel.core.errors import ConfigError, TercelError, check_known
from tercel.core.files import LOCK, folder_lock
from tercel.core.progress import progress as bars
from tercel.core.progress import say
from tercel.core.serialization import parse_json
from tercel.lab.learning.agent.config import AgentConfig, preset_file, read_config
from tercel.lab.learning.agent.env import spread, with_shards
from tercel.lab.learning.agent.learner import ALGORITHMS, refuse_settings, with_algo
from tercel.lab.learning.agent.report import write_page
from tercel.lab.learning.agent.training import (
    FILE,
    POLICY,
    RESULT,
    TrainingResult,
    claim,
    is_done,
    refuse_another,
    refuse_changed,
    run_training,
    variants_tried,
)
from tercel.lab.learning.agent.training import resumed as begun_in
from tercel.lab.learning.port import Metrics

RUNS = Path("runs/agents")
Stop = Callable[[], bool]


@dataclass(frozen=True)
class TrainingRun:
    """A configuration, a seed, and the folder that keeps what is trained.

    Parameters
    ----------
    config : AgentConfig
    folder : Path
        Made if need be; a training that was stopped there resumes.
    seed : int
    begun : bool
        Whether the folder is that of this very training, whatever its file says.
    """

    config: AgentConfig
    folder: Path
    seed: int = 1
    begun: bool = False

    @classmethod
    def of_file(
        cls,
        file: Path | str,
        *,
        algorithm: str = "",
        seed: int = 1,
        out: Path | None = None,
        sharded: bool = False,
        workers: int | None = None,
    ) -> "TrainingRun":
        """The training of a TOML file, or of a shipped configuration by name.

        Parameters
        ----------
        file : Path or str
            A name is that of a shipped one.
        algorithm : str
            Another learner than the file's.
        seed : int
        out : Path, optional
            Run folder; ``runs/agents/NAME-SEED`` if not given.
        sharded, workers : bool, int or None
            Whether slots are dealt out for a cluster, of so many workers.

        Raises
        ------
        ConfigError, UnknownNameError
            What cannot be read or meant, or a folder of another training: nothing was written.

        >>> TrainingRun.of_file("quick", seed=2).folder.as_posix()
        'runs/agents/quick-2'
        """
        path = preset_file(file) if isinstance(file, str) else file
        config = read_config(path)
        if algorithm:
            check_known(algorithm, ALGORITHMS, "`algo=`", error=ConfigError)
            config = with_algo(config, algorithm)
        if sharded:
            config = with_shards(config, workers)
        variants_tried(config)  # a sweep that is not there is refused before anything is written
        refuse_settings(config, str(path))
        folder = out or RUNS / f"{config.name}-{seed}"
        refuse_another(folder, config, seed)
        return cls(config, folder, seed)

    @classmethod
    def resumed(
        cls, folder: Path, *, trust: bool = False, seed: int | None = None
    ) -> "TrainingRun":
        """The training that was begun in a folder.

        Parameters
        ----------
        folder : Path
        trust : bool
            Whether the own functions that it names may run.
        seed : int, optional
            What its seed is thought to be.

        Raises
        ------
        ConfigError
            No training, a damaged or another one, or one whose markets and functions have changed.
        """
        config, _, its_seed = begun_in(folder, trust=trust, seed=seed)
        refuse_settings(config, str(folder / FILE))
        refuse_changed(folder, config)
        if not (folder / "checkpoint").exists():
            say(f"no checkpoint in {folder}: from the start")
        return cls(config, folder, its_seed, begun=True)

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end."""
        return is_done(self.folder)

    def train(
        self,
        *,
        progress: bool = False,
        stop: Stop | None = None,
        cluster: str | None = None,
        workers: int | None = None,
    ) -> TrainingResult:
        """Train, or go on, until the policy is there; a finished one is read.

        Parameters
        ----------
        progress : bool
            Whether bars on stderr say how far it is.
        stop : callable, optional
            Called between updates; when it is true the state is saved and the training ends.
        cluster : str, optional
            Address of a Ray cluster whose workers act, `workers` of them.

        Returns
        -------
        TrainingResult
            ``done`` False when `stop` said so.

        Raises
        ------
        ConfigError
            Another training is running there; what the learner, the market or the cluster refuses.
        """
        with spread(cluster, workers) as make:
            finished = self.finished
            with self._claimed():
                if finished:
                    say(f"{self.folder}: it was finished; nothing was trained")
                    result: TrainingResult = parse_json((self.folder / RESULT).read_text())
                    return {**result, "policy": str(self.folder / POLICY)}
                arguments = (self.config, self.folder, self.seed)
                if not progress:
                    return run_training(*arguments, make=make, stop=stop)
                with _bar(self.config, self.seed) as on_row:
                    return run_training(*arguments, make=make, stop=stop, on_row=on_row)

    def report(self, result: TrainingResult) -> Path:
        """Write the page of a training that is over, ``report.html`` in its folder."""
        return write_page(self.folder, self.config, result)

    def how_to_trade(self) -> str:
        """Write a desk's file for its policy; the command that trades it, or why there is none."""
        market = self.config.market
        recorded = RecordedMarket(market.lake, market.symbol) if self.config.on_tape else None
        preset = None if self.config.on_tape else Path(market.presets[0])
        return how_to_trade(self.folder, self.folder / POLICY, recorded, preset)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """The folder, locked against other trainings; released where the request is refused."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(self.folder, "training"):
            if not self.begun:
                claim(self.folder, self.config, self.seed)
            try:
                yield
            except TercelError:
                self._give_back()
                raise

    def _give_back(self) -> None:
        """Leave no folder in which nothing was begun: what was refused may be corrected and tried again there."""
        if {path.name for path in self.folder.iterdir()} <= {FILE, LOCK}:
            for name in (FILE, LOCK):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()


@contextmanager
def _bar(config: AgentConfig, seed: int) -> Iterator[Callable[[Metrics, Metrics | None], None]]:
    """Progress bar of a training: what is called with each of its rows."""
    with bars(now=True) as shown:
        bar = shown.add_task(
            f"train {config.name} seed {seed}", total=config.learner.frames, now=""
        )

        def on_row(row: Metrics, best: Metrics | None) -> None:
            gain = f"best {best['gain']:+.2f} bps on the rule" if best else ""
            shown.update(bar, completed=row["frames"], now=gain)

        yield on_row

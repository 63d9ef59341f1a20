"""``tercel.fit``: an agent fitted to a user's own days, and what each stage of the fit adds on days that it has not seen.

The folder of a fit:

    fit.json         settings, and the result when it is complete
    blocks/N/        the stages fitted without the days of block N, and their costs on it: a fit that was stopped continues
    whole/           the stage that is kept, fitted to all days
    policy/          the kept policy with its card
    report.html      the result as a page
    desk.toml        a desk that trades the policy
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from tercel.api.desk.config import RecordedMarket, write_desk_file
from tercel.api.fit_report import Fit
from tercel.api.learn import TrainingRun, trainable_scenario
from tercel.api.market import calibrate
from tercel.core.errors import ConfigError, TapeError, TercelError, refuse_if
from tercel.core.extras import import_optional
from tercel.core.files import write_atomic
from tercel.core.locks import LOCK, folder_lock
from tercel.core.progress import progress as bars
from tercel.core.serialization import to_jsonable
from tercel.execution.cost_scores import COST_LABELS
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import (
    CARD as FORECASTER_CARD,
    DEFAULT,
    TABLE,
    WAITING,
    Forecaster,
    Slope,
    find_forecaster,
    load,
    save,
)
from tercel.execution.market import Market
from tercel.execution.policies.calm_observations import OBSERVATIONS
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import load_policy, save_policy
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.parts import PlaceboForecast
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies_packaged import folder_of
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.calm_observations import observe_plans
from tercel.lab.evaluation.pipeline.candidates import policies_of
from tercel.lab.evaluation.pipeline.leaks import JudgedDays, policies_that_saw
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.fitting.blocks import BlockCosts, DayBlock, blocks_of, judge_block
from tercel.lab.fitting.gains import (
    FORECASTING,
    PLACEBO,
    RULE,
    STAGES,
    StageGain,
    kept_stage,
    stage_gains,
)
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.market import TrainingMarket, build_training_markets
from tercel.lab.learning.agent.recipes import recipe_config
from tercel.lab.learning.agent.run_folder import POLICY, differences
from tercel.lab.learning.agent.start import best_rule, start_of
from tercel.market.tape import Instrument, Lake
from tercel.signals.flow.recalibrate import recalibrate
from tercel.signals.flow.train import FORWARD, train as train_forecaster

FRAMES: Final = 300_000
"""Decisions that a policy is trained on, in each block."""
WEIGHT_FRAMES: Final = 300_000
"""Decisions on which the weights of the shipped agent are moved, in each block."""
VOLUME_DAYS: Final = 5
"""Last days on which the market is calibrated by which a desk expects its volume."""
STEPS: Final = 5
"""Steps of a block: rules, three stages, judging."""
FIT_FILE: Final = "fit.json"
MARKET_FILE: Final = "market.json"
PACKAGED: Final = "default-1"
"""The shipped agent."""
LATENCY: Final = Latency("constant", 5_000_000)


@dataclass(frozen=True)
class _Fitting:
    """The stages of a fit in one lake: each a function of the days that it sees, and of a folder that it continues in."""

    scenario: Scenario
    seed: int
    frames: int
    show: bool

    def config(self, algorithm: str, block: DayBlock, values: Mapping[str, Any]) -> AgentConfig:
        """Configuration of a training on the days of a fit, which validates on other windows of them."""
        scenario = self.scenario.in_market(days=block.judged)
        frames = self.frames if algorithm == "ppo" else min(WEIGHT_FRAMES, self.frames)
        days = {"market.train_days": list(block.fit)}
        return recipe_config(scenario, algorithm, frames, algorithm, days | dict(values))

    def market(self, block: DayBlock) -> TrainingMarket:
        """The market of the days of a fit, with its law of impact and what waiting costs there."""
        [market] = build_training_markets(self.config("ppo", block, {}))
        return market

    def policy(self, name: str, block: DayBlock, market: TrainingMarket, folder: Path) -> Path:
        """Folder of the policy of a stage, fitted to the days of a block."""
        stages = dict(zip(STAGES, (self.shipped, self.fitted, self.trained), strict=True))
        return stages[name](block, market, folder)

    def train(self, config: AgentConfig, folder: Path) -> Path:
        """Train a policy in a folder, or continue there; the folder of the policy."""
        run = TrainingRun(config, folder, self.seed)
        run.train(progress=self.show)
        return folder / POLICY

    def shipped(self, block: DayBlock, market: TrainingMarket, folder: Path) -> Path:
        """The packaged agent, its forecasts and costs calibrated on the days of a fit, but those that it learned from."""
        policy, card = _load(folder_of(PACKAGED))
        forecaster = find_forecaster(DEFAULT)
        model = folder / "forecaster"
        if not (model / FORECASTER_CARD).exists():
            symbol = self.scenario.market.symbol
            tape = Lake(self.scenario.market.lake)
            if {*block.fit} <= {*forecaster.trained_on(symbol)}:
                self._with_waiting(forecaster, market, model)
            else:
                recalibrate(
                    forecaster,
                    tape,
                    [symbol],
                    model,
                    waiting=lambda *_: _waiting_in(market),
                    dates=block.fit,
                )
        save_policy(folder / POLICY, policy, _told_by(card, model))
        return folder / POLICY

    def _with_waiting(self, forecaster: Forecaster, market: TrainingMarket, folder: Path) -> Path:
        """Save a forecaster with what waiting costs on the days of a fit, its forecasts as they are; the folder."""
        slope = asdict(Slope(1.0, speaks=True))
        row: dict[str, object] = {"days": [], "sums": [], WAITING: _waiting_in(market)}
        table = {self.scenario.market.symbol: row | {str(h): slope for h in HORIZONS}}
        save(folder, replace(forecaster, card={**forecaster.card, TABLE: table}))
        return folder

    def fitted(self, block: DayBlock, market: TrainingMarket, folder: Path) -> Path:
        """The packaged agent with a forecaster of the days of a fit, and with weights that were moved on the later of them.

        Forecasts of days that a forecaster learned from are better than those to come, so the weights are moved on later
        days than those of the forecaster that tells them; the policy is told by a forecaster of all days.
        """
        cut = max(round(FORWARD * len(block.fit)), 1)
        early, whole = (
            self._forecaster(dates, folder / name)
            for dates, name in ((block.fit[:cut], "early"), (block.fit, "forecaster"))
        )
        policy, card = _load(folder_of(PACKAGED))
        [(weights, constants)] = policy.layers
        start = {
            label: dict(zip(card.observes, column.tolist(), strict=True)) | {"constant": constant}
            for label, column, constant in zip(
                COST_LABELS, weights.T, constants.tolist(), strict=True
            )
        }
        values = {
            "policy.flow": str(early.resolve()),
            "learner.start": start,
            "validation.rule": Guarded.name,
        }
        later = DayBlock(block.number, block.fit[cut:], block.judged)
        found = self.train(self.config("es", later, values), folder / "weights")
        policy, card = _load(found)
        told = self._with_waiting(load(whole), market, folder / "calibrated")
        save_policy(folder / POLICY, policy, _told_by(card, told))
        return folder / POLICY

    def _forecaster(self, dates: tuple[str, ...], folder: Path) -> Path:
        """Folder of a forecaster of some days, trained if it is not there."""
        market = self.scenario.market
        if not (folder / FORECASTER_CARD).exists():
            train_forecaster(Lake(market.lake), [market.symbol], folder, self.seed, dates=dates)
        return folder

    def trained(self, block: DayBlock, market: TrainingMarket, folder: Path) -> Path:
        """A policy that learned on the days of a fit when to deviate from the best strategy there."""
        return self.train(self.config("ppo", block, {}), folder)

    def judge(self, block: DayBlock, folder: Path, step: Callable[[str], None]) -> BlockCosts:
        """Costs of all stages on the judged days of a block, read if they are there."""
        file = folder / "costs.npz"
        if not file.exists():
            config = self.config("ppo", block, {})
            market = self.market(block)
            (folder / "trained").mkdir(parents=True, exist_ok=True)
            step("compare rules")
            rule = best_rule(start_of(config, folder / "trained", [market]))
            policies: dict[str, Strategy] = {}
            for name in STAGES:
                step(f"fit {name}")
                policy = self.policy(name, block, market, folder / name)
                policies[name] = policy_strategy(policy, name)
            told = {f"{name}{PLACEBO}": PlaceboForecast(policies[name]) for name in FORECASTING}
            step("judge")
            strategies = {RULE: rule.strategy, **policies, **told}
            costs = judge_block(market, self.scenario, block, strategies, self.seed)
            replace(costs, rules=(rule.name,)).save(file)
        return BlockCosts.load(file)

    def keep(self, kept: str, gains: Sequence[StageGain], block: DayBlock, folder: Path) -> None:
        """Fit the kept stage to all days and save its policy, for the orders of the fit, with what it observes there."""
        market = self.market(block)
        network, card = _load(self.policy(kept, block, market, folder / "whole"))
        task = self.scenario.task
        symbol = self.scenario.market.symbol
        markets = [symbol.lower(), str((folder / MARKET_FILE).resolve())]
        card = replace(
            card,
            name=kept,
            task=dict(task.to_dict()),
            limits=card.limits | {"share": task.share, "markets": markets},
            scores=card.scores | {"fit": to_jsonable(gains)},
        )
        save_policy(folder / POLICY, network, card)
        plans = [(market.validation, market.task, market.plan)]
        strategy = policy_strategy(folder / POLICY, kept)
        observed = observe_plans(plans, strategy, symbol, f"fit of {symbol}, seed {self.seed}")
        write_atomic(folder / POLICY / OBSERVATIONS, observed.to_json())


def _load(folder: Path) -> tuple[MlpPolicy, Card]:
    """The policy and card of a folder, of weights in arrays, as all stages have them."""
    policy, card = load_policy(folder)
    return cast(MlpPolicy, policy), card


def _waiting_in(market: TrainingMarket) -> float:
    """What waiting costs in a market, a ratio to the half spread; 0 where it is not measured."""
    measured = market.training.waiting
    return 0.0 if measured is None else float(measured.value)


def _told_by(card: Card, model: Path) -> Card:
    """The card of a policy that is told by the forecaster in a folder."""
    flow = {"flow": {"model": str(model.resolve())}}
    return replace(card, action_parameters={**card.action_parameters, **flow})


def fit(
    symbol: str,
    *,
    lake: str | Path,
    out: str | Path,
    task: Task | None = None,
    frames: int = FRAMES,
    seed: int = 1,
    progress: bool = False,
) -> Fit:
    """Fit an agent to one's own days; keep the simplest whose gain is shown on days that its fit has not seen.

    Three stages, the simplest first: the packaged agent with forecasts and costs calibrated on these days; the same with a
    forecaster and weights of these days; a policy trained on them as :func:`tercel.train` does. Days lie in three blocks in
    time order. The stages are fitted to two blocks and judged on the third, each in turn, against the rule that was best on
    the two. A gain is shown where its interval is above 0 both if resting fills move the price as takes do and if they move
    nothing. If none is shown, or days are fewer than 30, the shipped agent is kept.

    Parameters
    ----------
    symbol : str
    lake : str or Path
        Lake of its recorded days.
    out : str or Path
        Folder of the fit; one that was stopped there continues.
    task : Task
        The orders; by default 10 % of the volume in half an hour, 5 ms late.
    frames : int
        Decisions that a policy is trained on, in each block.
    seed : int
    progress : bool
        Whether to show progress bars on stderr.

    Returns
    -------
    Fit

    Raises
    ------
    ConfigError
        Fewer than six days, orders that training does not support, a folder of something else.
    TapeError, DataError
        Days of several venues or ticks; days that nothing can be learned from.

    >>> fit("IBM", lake="lake", out="fitted")  # doctest: +SKIP
    """
    import_optional("lightgbm")
    tape = Lake.existing(lake)
    symbol = tape.match_case(symbol)
    dates = tape.days(symbol)
    recorded_days = [day for day in tape.list() if day.symbol == symbol]
    _refuse_mixed(recorded_days)
    market = Market(lake=str(Path(lake).resolve()), symbol=symbol)
    scenario = trainable_scenario(market, task or Task(latency=LATENCY))
    fitting = _Fitting(scenario, seed, frames, progress)
    folder = Path(out)
    blocks = blocks_of(dates)
    hashes = {day.date: day.content_hash for day in recorded_days}
    settings = {"symbol": symbol, "lake": market.lake, "days": hashes, "seed": seed}
    settings |= {"frames": frames, "task": scenario.to_dict()["task"]}
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, "fit"), bars(now=True) as bar:
        _claim(folder, to_jsonable(settings))
        row = bar.add_task(f"fit {symbol}", total=STEPS * len(blocks) + 1, now="")
        costs = []
        for block in blocks:
            bar.update(row, completed=STEPS * (block.number - 1))

            def step(text: str, number: int = block.number) -> None:
                """Show the step that begins."""
                bar.update(row, advance=1, now=f"block {number} of {len(blocks)}: {text}")

            costs.append(fitting.judge(block, folder / "blocks" / str(block.number), step))
        judged = JudgedDays(symbol, tuple(dates), made_of=tuple(tape.real_dates(symbol, dates)))
        seen = {STAGES[0]} if policies_that_saw(policies_of([PACKAGED]), judged) else set[str]()
        whole = BlockCosts.concatenate(costs)
        gains = stage_gains(whole, seen)
        kept = kept_stage(gains, len(dates))
        bar.update(row, completed=STEPS * len(blocks), now=f"fit {kept} to all days")
        fitting.keep(kept, gains, DayBlock(0, tuple(dates), ()), folder)
        recorded = RecordedMarket(market.lake, symbol)
        volume_market = _own_market(folder, recorded, dates)
        command = write_desk_file(folder, folder / POLICY, recorded, volume_market)
        found = Fit(
            symbol,
            scenario.task,
            tuple(dates),
            len(whole.day),
            tuple(gains),
            kept,
            command,
            whole.rules,
        )
        write_atomic(
            folder / FIT_FILE, json.dumps(settings | {"result": found.to_json()}, indent=1) + "\n"
        )
        write_atomic(folder / "report.html", found.page())
    return found


def _own_market(folder: Path, recorded: RecordedMarket, dates: Sequence[str]) -> Path | None:
    """A market calibrated on the last of the days, by which a desk expects its volume; None of days that calibrate none."""
    file = folder / MARKET_FILE
    name = recorded.symbol.lower()
    last = dates[-VOLUME_DAYS:]
    if not file.exists():
        with suppress(TercelError):
            calibrate(recorded.lake, recorded.symbol, last, held_out=[], name=name, out=file)
    return file if file.exists() else None


def _refuse_mixed(days: Sequence[Instrument]) -> None:
    """Raise TapeError unless the days of a symbol are of one venue and one tick."""
    for label, values in (
        ("venue", sorted({day.venue for day in days})),
        ("tick", sorted({str(day.tick) for day in days})),
    ):
        refuse_if(
            len(values) > 1,
            f"days of {days[0].symbol} of one {label}",
            " and ".join(values),
            "import each into a lake of its own",
            TapeError,
        )


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a fit into its folder; ConfigError if it holds something else than a fit that made nothing."""
    file = folder / FIT_FILE
    others = sorted(path.name for path in folder.iterdir() if path.name not in (LOCK, FIT_FILE))
    if file.exists():
        try:
            before = json.loads(file.read_text())
            before.pop("result", None)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError("a fit", f"{file}: {error}", "name another folder (`out=`)") from None
        difference = next(differences(before, settings), None)
        if difference is None:
            return
        refuse_if(
            bool(others) or before.keys() != settings.keys(),
            "a new folder, or one of this very fit",
            f"{folder} holds another: {difference}",
            "name another folder (`out=`)",
        )
    refuse_if(
        bool(others),
        "a new or empty folder",
        f"{folder} with {', '.join(others[:3])}",
        "name another folder (`out=`)",
    )
    write_atomic(file, json.dumps(settings, indent=1) + "\n")

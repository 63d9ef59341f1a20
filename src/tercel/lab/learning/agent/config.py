"""Configuration of `tercel agent train`: one TOML file or a shipped preset, read whole or refused.

    name = "mine"

    [market]      presets, weights, regimes, regime_weights, regime_stakes, impact, passive_impact,
                  impact_scale; or lake, symbol, train_days, judge_days, queue and these three
    [task]        share, horizon_s, latency_ms (a number, or [lowest, highest]), decision_s, side, grow_frames, warmup_s
    [policy]      actions, base, parameters, levers, dead, scale, grains, guard, flow, events, observation,
                  stack, hidden
    [learner]     algo, frames, markets and what the learner takes: steps, minibatch, epochs, learning_rate, ...
    [reward]      weights of `reward_terms.TERMS`, against, unit, risk_aversion; or own, a function of one's own
    [validation]  every, episodes, rule
    [guards]      variants: number of recipes tried before; sweep: folder of a sweep that counts them (for deflation)

Every key has a default; the shipped presets lie in `agent_presets` and are the examples. `reward.own` and
`policy.observation` may name functions of the user's, as ``module:name`` or ``path/file.py:name``: they run.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)

from tercel.core.errors import check_known, suggest_name
from tercel.core.toml import read_toml
from tercel.core.validation import validate_model
from tercel.execution.action_sets import SETS
from tercel.execution.columns import OBSERVATION
from tercel.execution.market import Market, make_market
from tercel.execution.observation import OBSERVERS, is_user_name
from tercel.execution.observation_encoder import MOST
from tercel.execution.strategies.score_rule import ScoreRule
from tercel.execution.task import Latency, Task
from tercel.lab.learning.order_ranges import Ranges
from tercel.lab.learning.reward_terms import TERMS
from tercel.market.flow import registry
from tercel.market.simulator.queue_models import DEFAULT

PRESETS: Final = Path(__file__).parent / "agent_presets"
WARMUP_S: Final = Task().warmup_s
Span = float | tuple[float, float]
# As a base or a rule: the best strategy of the markets, found when the training begins (`agent.start`).
BEST: Final = "best"


class _Section(BaseModel):
    """Base class of sections of a configuration: frozen, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MarketSection(_Section):
    """Section `market`: the markets in which an agent learns."""

    # Simulated markets; the slots are split between them.
    presets: tuple[str, ...] = ("ibm",)
    # Of the presets, in the split of the slots; empty: evenly.
    weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    # What switches in them: chain, long_chain, season, a named regime or a file (`market.regimes.choice`); of several,
    # each has a part of every preset's slots, and "" among them is the market as it is.
    regimes: str | tuple[str, ...] = ""
    # Of the regimes, in the split of a preset's slots; empty: evenly.
    regime_weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    # Weight of a cost in each of the regimes, by default 1. So a regime in which orders may cost ten times as much can
    # be frequent and still not determine the behaviour in the others.
    regime_stakes: tuple[Annotated[float, Field(gt=0)], ...] = ()
    # Law of impact; empty: what the presets carry, square_root on tape.
    impact: str = ""
    # Impact of a resting fill to that of a take, and a factor of the law.
    passive_impact: float = 1.0
    impact_scale: float = 1.0
    # Warmed books in each market's bank.
    worlds: int = Field(default=64, ge=1, le=4096)
    lake: str = ""
    # Recorded days instead of presets; relative to the configuration file.
    symbol: str = ""
    # Dates to learn on; none: the first two thirds.
    train_days: tuple[str, ...] = ()
    # Dates reserved for judging: refused when one of them is trained on.
    judge_days: tuple[str, ...] = ()
    # Queue model of tapes of level totals (`market.simulator.levels`).
    queue: str = DEFAULT

    @model_validator(mode="after")
    def _check_consistency(self) -> "MarketSection":
        """Refuse keys that do not go together: lake and symbol, weights and presets."""
        if bool(self.lake) != bool(self.symbol):
            raise ValueError("lake and symbol together")
        if not self.lake and not self.presets:
            raise ValueError("at least one market in presets, or lake and symbol")
        if not self.laws or len(set(self.laws)) < len(self.laws):
            raise ValueError(f"regimes that differ from each other, not {list(self.laws)}")
        for weights, kind, named, names in (
            (self.weights, "a weight", self.presets, "presets"),
            (self.regime_weights, "a weight", self.laws, "regimes"),
            (self.regime_stakes, "a loss weight", self.laws, "regimes"),
        ):
            if weights and len(weights) != len(named):
                raise ValueError(f"{kind} for each of the {len(named)} {names}, not {len(weights)}")
        overlap = sorted(set(self.train_days) & set(self.judge_days))
        if overlap:
            raise ValueError(f"days that are trained on or judged, not both: {overlap[0]}")
        return self

    @property
    def laws(self) -> tuple[str, ...]:
        """Choices of regimes, at least one."""
        return (self.regimes,) if isinstance(self.regimes, str) else self.regimes

    @property
    def markets(self) -> tuple[Market, ...]:
        """Market on tape, or each preset under each choice of regimes (presets in the outer loop)."""
        if self.lake:
            days = self.judge_days
            market = Market("", self.lake, self.symbol, days, self.impact, queue=self.queue)
            return (
                replace(market, passive_impact=self.passive_impact, impact_scale=self.impact_scale),
            )
        return tuple(
            make_market(
                name,
                impact=self.impact,
                passive_impact=self.passive_impact,
                impact_scale=self.impact_scale,
                regimes=law,
            )
            for name in self.presets
            for law in self.laws
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """Weight of each preset under each choice of regimes, in the order of `markets`; they need not add up to 1."""
        law_weights = self.regime_weights or (1.0,) * len(self.laws)
        return tuple(
            preset * law
            for preset in self.weights or (1.0,) * len(self.presets)
            for law in law_weights
        )


class TaskSection(_Section):
    """Section `task`: the execution task, single values or ranges [lowest, highest] to draw from."""

    # Of the volume expected within the horizon.
    share: Span = 0.10
    horizon_s: Span = 1800.0
    # Seconds between decisions, whatever the horizon.
    decision_s: float = Field(default=30.0, gt=0)
    # Order-entry latency.
    latency_ms: Span = 0.0
    # 0: buys and sells in turn.
    side: Literal[-1, 0, 1] = 0
    # Curriculum: the ranges of share and horizon grow from their middles over so many frames.
    grow_frames: int = Field(default=0, ge=0)
    # On tape: orders at this local time of the exchange are reserved for judging, and other hours are learned from.
    start: str = ""
    # Seconds that a market runs before an order arrives.
    warmup_s: float = Field(default=WARMUP_S, ge=0)

    @field_validator("share", "horizon_s", "latency_ms")
    @classmethod
    def _check_order(cls, value: Span, info: ValidationInfo) -> Span:
        """Refuse a range that descends, or a value that is not above 0 (latency: below 0)."""
        low, high = span(value)
        is_latency = info.field_name == "latency_ms"
        if not 0 <= low <= high or (low == 0 and not is_latency):
            bound_text = "from 0 on" if is_latency else "above 0"
            raise ValueError(f"a number, or [lowest, highest], {bound_text}, not {value}")
        return value

    @model_serializer(mode="wrap")
    def _drop_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Serialize without `start` and `warmup_s` at their defaults, since a card that has them is limited to them."""
        values: dict[str, Any] = dump(self)
        defaults = {"start": "", "warmup_s": WARMUP_S}
        return {
            key: value
            for key, value in values.items()
            if key not in defaults or value != defaults[key]
        }

    @property
    def task(self) -> Task:
        """Task at the middle of the ranges, on which validation judges."""
        share, horizon, latency_ms = (
            middle(value) for value in (self.share, self.horizon_s, self.latency_ms)
        )
        decisions = max(round(horizon / self.decision_s), 1)
        latency = Latency(a_ns=round(latency_ms * 1e6))
        return Task(
            self.side,
            share,
            decisions * self.decision_s,
            decisions,
            latency=latency,
            warmup_s=self.warmup_s,
        )

    @property
    def ranges(self) -> Ranges | None:
        """Ranges from which training draws; None if all values are fixed."""
        spans = [span(value) for value in (self.share, self.horizon_s, self.latency_ms)]
        if all(low == high for low, high in spans):
            return None
        return Ranges(spans[0], spans[1], spans[2], self.grow_frames)


class PolicySection(_Section):
    """Section `policy`: observation, actions and network of a policy."""

    actions: str = "levers"
    # Of `override`, `levers` and `residual`: the rule where the network says nothing. Of `override` also `best`: the best of
    # the packaged policy, `guarded` and the tuned rules in the markets of the training.
    # Empty: best of `override`, else score_rule.
    base: str = ""
    # Of the base; empty: values tuned for the (first) market, else generic.
    parameters: dict[str, int | float] = {}
    # Of `levers`: name -> scale.
    levers: dict[str, float] = {}
    # Of `residual`: takes within it change nothing.
    dead: float | None = Field(default=None, ge=0)
    # Of `residual`: how far an action of 1 moves the logarithm of a weight.
    scale: float | None = Field(default=None, gt=0)
    # Of `residual`: what rests changes by whole grains of the order alone.
    grains: bool | None = None
    # Of `costs`: slices of the order that are taken at once.
    slices: float | None = Field(default=None, gt=0)
    # Shares of the order, [late, resume]: behind by more than `late`, it is brought back to `resume` by taking.
    guard: tuple[float, float] | None = None
    # A forecaster of the next seconds, by name or folder: what the actions `costs` go by.
    flow: str = ""
    # Whether the policy decides on the clock of events; PPO and DQN learn on the schedule and are given no forecast.
    events: bool = False
    observation: str = OBSERVATION
    # Decision intervals that are seen at once.
    stack: int = Field(default=1, ge=1, le=MOST)
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = (64, 64)

    @field_validator("actions")
    @classmethod
    def _check_actions(cls, name: str) -> str:
        """Refuse an unknown set of actions."""
        return _check_one_of(name, SETS)

    @model_validator(mode="before")
    @classmethod
    def _fill_base(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in the base of the actions where none is named."""
        default = BEST if values.get("actions") == "override" else ScoreRule.name
        return values | {"base": values.get("base") or default}

    @model_validator(mode="after")
    def _check_base(self) -> "PolicySection":
        """Refuse the best strategy as the base of actions that move the numbers of one rule."""
        if self.base == BEST and self.actions != "override":
            raise ValueError(
                f"actions override with base {BEST!r}, whatever strategy that is, not {self.actions!r}"
            )
        return self

    @field_validator("observation")
    @classmethod
    def _check_observation(cls, name: str) -> str:
        """Refuse an unknown observation that is not a user's function either."""
        return name if is_user_name(name) else _check_one_of(name, OBSERVERS)


class LearnerSection(BaseModel):
    """Section `learner`: algorithm and its settings; unknown keys go to the algorithm's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    # The native learners (`es`: an evolution strategy), or Stable-Baselines3's: see `lab.learning.sb3`.
    algo: Literal[
        "ppo",
        "dqn",
        "es",
        "sb3_ppo",
        "sb3_maskable_ppo",
        "sb3_recurrent_ppo",
        "sb3_dqn",
        "sb3_qrdqn",
    ] = "ppo"
    # Decisions that the training sees.
    frames: int = Field(default=1_000_000, ge=1)
    # Slots side by side.
    markets: int = Field(default=64, ge=1, le=65_536)
    # Parts of the slots, each with streams of its own, that workers of a cluster can hold; results depend on their
    # number and not on the workers. 0: one whole.
    shards: int = Field(default=0, ge=0)

    @property
    def settings(self) -> dict[str, Any]:
        """Keyword arguments for the algorithm's own settings."""
        return {
            key: tuple(v) if isinstance(v, list) else v
            for key, v in (self.model_extra or {}).items()
        }


# A key for the weight of each reward term.
_WEIGHTS: dict[str, Any] = {term.name: (float, Field(default=term.weight, ge=0)) for term in TERMS}
_Weights: Any = create_model("_Weights", __base__=_Section, **_WEIGHTS)


class RewardSection(_Weights):  # type: ignore[misc]
    """Section `reward`: weights of the logged costs, or a user's function."""

    # Paired reward: a rule that executes every episode too; `base` is the policy's own.
    against: str = ""
    # What counts as 1; with several markets, spreads weigh them alike.
    unit: Literal["ticks", "spread"] = "ticks"
    risk_aversion: float = Field(default=0.0, ge=0)
    # A reward of the user's instead of all that, ``module:name``: a function of a `lab.learning.rewards.Step`, or a
    # `lab.learning.reward_terms.RewardWeights`.
    own: str = ""

    @model_validator(mode="after")
    def _check_one_reward(self) -> "RewardSection":
        """Refuse a user's reward function together with weights."""
        other_keys = sorted(self.model_dump(exclude={"own"}, exclude_defaults=True))
        if self.own and other_keys:
            raise ValueError(
                f"own alone: it says all of the reward, and {other_keys[0]} would say more"
            )
        if self.own and not is_user_name(self.own):
            raise ValueError(f"own as module:name or path/file.py:name, not {self.own!r}")
        return self


class ValidationSection(_Section):
    """Section `validation`: when and on how many separate episodes the greedy policy is checked."""

    # Frames between two looks; 0: a tenth of the training.
    every: int = Field(default=0, ge=0)
    episodes: int = Field(default=500, ge=2, le=1_000_000)
    # Share of the training before which a look is logged but its policy is not selected: the best of many noisy looks is
    # often an early one that was lucky. The start is never forgotten: a training that lost on it keeps it.
    keep_from: float = Field(default=0.6, ge=0, le=1)
    # The rule that it is compared with; empty: the policy's base, or peg_behind; `best`: the best of the packaged policy,
    # `guarded` and the tuned rules, which is returned unless the trained policy is cheaper by its interval.
    rule: str = ""


class GuardsSection(_Section):
    """Section `guards`: number of variants tried, for the deflation of a result."""

    # Recipes tried before this one was selected, itself included.
    variants: int = Field(default=1, ge=1)
    # Folder of the sweep that it came from: its trials count, as many as lie there.
    sweep: str = ""


class AgentConfig(_Section):
    """Configuration of an agent's training: all sections of a TOML file."""

    name: str = Field(default="agent", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    market: MarketSection = MarketSection()
    task: TaskSection = TaskSection()
    policy: PolicySection = PolicySection()
    learner: LearnerSection = LearnerSection()
    reward: RewardSection = RewardSection()
    validation: ValidationSection = ValidationSection()
    guards: GuardsSection = GuardsSection()
    _functions: dict[str, Callable[..., Any]] = PrivateAttr(default_factory=dict)

    @property
    def from_best(self) -> bool:
        """Whether the training starts from the best strategy of its markets, and returns it if it finds none better."""
        return BEST in (self.policy.base, self.validation.rule)

    @property
    def on_tape(self) -> bool:
        """Whether the training market replays recorded days."""
        return bool(self.market.lake)

    @property
    def own_code(self) -> tuple[str, ...]:
        """Names of the user's functions in the configuration."""
        observation = self.policy.observation
        return tuple(name for name in (self.reward.own, observation) if is_user_name(name))

    def with_functions(self, functions: dict[str, Callable[..., Any]]) -> "AgentConfig":
        """Configuration with functions attached under the names that it has for them, so that none is imported."""
        copy = self.model_copy()
        copy._functions = {**self._functions, **functions}
        return copy

    def find_function(self, name: str) -> Callable[..., Any] | None:
        """Function attached under a name; None if there is none."""
        return self._functions.get(name)


def span(value: Span) -> tuple[float, float]:
    """Lowest and highest value of a number or a range."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return float(low), float(high)


def middle(value: Span) -> float:
    """Geometric middle of a span; arithmetic middle if it starts at 0."""
    low, high = span(value)
    return low if low == high else (low * high) ** 0.5 if low > 0 else (low + high) / 2


def _check_one_of(name: str, allowed: tuple[str, ...]) -> str:
    """Return the name if it is allowed; raise ValueError with a suggestion otherwise."""
    if name not in allowed:
        raise ValueError(
            f"one of {', '.join(allowed)}, not {name!r}; {suggest_name(name, allowed)}"
        )
    return name


def preset_names() -> tuple[str, ...]:
    """Names of the shipped configurations."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def preset_file(name: str) -> Path:
    """Path of a shipped configuration.

    Raises
    ------
    UnknownNameError
        No such preset; the nearest is offered.
    """
    check_known(name, preset_names(), received=f"preset {name!r}")
    return PRESETS / f"{name}.toml"


def read_config(path: Path) -> AgentConfig:
    """Read a configuration from a TOML file; relative paths in it are relative to its folder.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one.
    UnknownNameError
        A preset market that does not exist.
    """
    config = parse(read_toml(path, f"name one, such as {PRESETS}/default.toml"), str(path))
    base = path.resolve().parent
    for preset in config.market.presets:
        if not preset.endswith(".json"):
            registry.file_of(preset)
    if config.on_tape:
        market = config.market.model_copy(update={"lake": str(base / config.market.lake)})
        config = config.model_copy(update={"market": market})
    if config.guards.sweep:
        guards = config.guards.model_copy(update={"sweep": str(base / config.guards.sweep)})
        config = config.model_copy(update={"guards": guards})
    for section, key in (("reward", "own"), ("policy", "observation")):
        options = getattr(config, section)
        source, _, function_name = getattr(options, key).rpartition(":")
        if source.endswith(".py"):
            config = config.model_copy(
                update={
                    section: options.model_copy(update={key: f"{base / source}:{function_name}"})
                }
            )
    return config


def parse(raw: dict[str, Any], name: str) -> AgentConfig:
    """Configuration from plain values; `name` stands for it in error messages.

    Raises
    ------
    ConfigError
        With the key and the nearest known one.
    """
    return validate_model(AgentConfig, raw, name, "`tercel agent train`")

"""A learned policy as a strategy: judged, replayed and traded through the same port as the rules."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from tercel.core.arrays import AnyArray, Float32
from tercel.core.errors import ConfigError, PolicyError, UnknownNameError, check_known, refuse_if
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.columns import OBSERVATION
from tercel.execution.foresight.forecaster import DEFAULT, Forecaster, heard, spread_alone
from tercel.execution.intent import Intents, View
from tercel.execution.observation import (
    COSTS,
    LAST,
    OBSERVERS,
    ObservationFunction,
    Observer,
    is_own_name,
    name_of,
    observer,
    same_name,
)
from tercel.execution.policies.network import RecurrentPolicy
from tercel.execution.policies.policy import CARD, PolicyPort, load_policy, read_card
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.baselines import MarketEstimates
from tercel.execution.strategies.event_clock import Guarded, TakeTimed
from tercel.execution.strategy import (
    Shares,
    Strategy,
    Wrapper,
    forecaster_of,
    gap_of,
    shares,
)

# -- strategy -------------------------------------------------------------------------------------

_DISCRETE = ("logits", "q")


@dataclass(frozen=True)
class PolicyStrategy:
    """Acts greedily: the action of the largest logit or value, or the mean vector, decoded by the policy's action set.

    Evaluations judge this greedy policy, so its expected intent is the intent itself. In a halt every decoder holds.

    Parameters
    ----------
    name : str
        As shown in tables: "ppo", "dqn", ...
    policy : PolicyPort
        From observations to actions.
    action_set_name : str
        A set of `execution.action_sets`.
    action_parameters : mapping
        Of the action set.
    observation : str or callable
        An observation of `execution.observation`, or the user's own function of a view.
    stack : int
        Decision intervals that it shows.
    weights : str
        SHA-256 of the policy's file, "" where it was read from none.
    waiting : float
        Cost of a resting order in its market, over half the spread (`View.waiting`); 0: as measured there.

    Raises
    ------
    PolicyError
        If the policy has another number of actions than the set, or observes something of another length.
    """

    name: str
    policy: PolicyPort
    action_set_name: str = "placement"
    action_parameters: Mapping[str, Any] = field(default_factory=dict)
    observation: str | ObservationFunction = OBSERVATION
    stack: int = 1
    weights: str = ""
    waiting: float = 0.0
    _actions: ActionSet = field(init=False, repr=False, compare=False)
    _observer: Observer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a policy for other actions or of another observation."""
        actions = action_set(self.action_set_name, self.action_parameters)
        refuse_if(
            self.policy.n_actions != actions.size,
            f"a policy with the {actions.size} actions of {actions.name!r}",
            f"{self.policy.n_actions} actions in {self.name!r}",
            "name the action set that its card names",
            PolicyError,
        )
        head = getattr(self.policy, "head", "logits")
        refuse_if(
            actions.continuous == (head in _DISCRETE),
            f"a head for the {'continuous' if actions.continuous else 'discrete'} actions of {actions.name!r}",
            f"{head!r} in {self.name!r}",
            "name the action set that its card names",
            PolicyError,
        )
        observed = observer(self.observation, self.stack)
        refuse_if(
            self.policy.observation_size != observed.size,
            f"a policy that observes the {observed.size} entries of {observed.name!r}, stacked {self.stack}",
            f"{self.policy.observation_size} entries in {self.name!r}",
            "name the observation that its card names",
            PolicyError,
        )
        object.__setattr__(self, "_actions", actions)
        object.__setattr__(self, "_observer", observed)

    @property
    def from_a_rule(self) -> bool:
        """Whether it is a rule where its network says nothing."""
        return self._actions.from_a_rule

    @property
    def gap_ns(self) -> int:
        """Time between two looks, ns; 0 for a policy that decides as the task's clock says."""
        return self._actions.gap_ns

    def knowing(self, estimates: MarketEstimates | None) -> "PolicyStrategy":
        """The same where what waiting costs is known (`waiting`)."""
        return self if estimates is None else replace(self, waiting=estimates.waiting)

    @property
    def goes_by_costs(self) -> bool:
        """Whether it compares what an order pays now with what waiting costs in its market."""
        return self.action_set_name == COSTS

    @property
    def forecaster(self) -> Forecaster | None:
        """The forecaster that it reads; None: it reads none."""
        listening = self.action_parameters.get("flow")
        if not listening:
            return None
        found = heard(str(listening.get("model", DEFAULT)))
        return replace(found, waiting=self.waiting) if self.waiting else found

    def decide(self, view: View) -> Intents:
        """Intents of the greedy actions, int32 (n, 10)."""
        return self.answer(self.observe(view), view)

    def observe(self, view: View) -> Float32:
        """Observation of a view, float32 (n, D): the entries that the policy's card names."""
        return self._observer.encode(view)

    def answer(self, obs: Float32, view: View) -> Intents:
        """Intents of the greedy actions on `obs`, float32 (n, D), which need not be what the view shows.

        Raises
        ------
        PolicyError
            For an observation that is not a number: a network would answer something all the same.
        """
        if not np.isfinite(obs).all():
            row, entry = np.argwhere(~np.isfinite(obs))[0]
            raise PolicyError(
                "an observation of finite numbers",
                f"{obs[row, entry]} in entry {entry} of row {row}, for {self.name!r}",
                "look for it in the columns that the observation is made of",
            )
        if isinstance(self.policy, RecurrentPolicy):
            return self._actions.decode(self.policy.proceed(obs, view.decision == 0), view)
        return self._actions.decode(self.policy.act(obs), view)

    def expected(self, view: View) -> Shares:
        """Shares of the greedy intent, float64 (n, 6); a memory is left alone."""
        return shares(self._actions.decode(self.policy.act(self.observe(view)), view), view)


def policy_strategy(
    folder: Path, shown_as: str = "", own_observation: ObservationFunction | None = None
) -> PolicyStrategy:
    """The policy in a folder as its card says that it is to be run; `shown_as` is its name in tables, else the card's.

    The one way from a folder to a strategy: a policy of another observation, action set or stack is refused here.

    Parameters
    ----------
    folder : Path
    shown_as : str
    own_observation : callable, optional
        The user's own observation, for a policy that was trained with it. What a folder names is never run: the caller
        gives the function.

    Raises
    ------
    PolicyError
        If files are missing or damaged, the card does not fit this version's observations and actions, or names an
        observation of the user's that was not given.
    UnknownNameError, ConfigError
        An observation, a stack or a set of actions that this version does not have.
    """
    declared = read_card(folder / CARD)
    observation: str | ObservationFunction = declared.observation
    if is_own_name(declared.observation):
        observation = _given(folder, declared.observation, own_observation)
    elif declared.observation not in OBSERVERS:
        raise UnknownNameError(
            f"a policy of one of the observations {', '.join(OBSERVERS)}",
            f"{folder / CARD}: observation {declared.observation!r}",
            "train it again: what it observes is no longer made",
        )
    policy, card = load_policy(folder, observer(observation, declared.stack).entries)
    return PolicyStrategy(
        shown_as or card.name,
        policy,
        card.actions,
        action_parameters=card.action_parameters,
        observation=observation,
        stack=card.stack,
        weights=card.weights_sha256,
    )


def _given(folder: Path, declared: str, own: ObservationFunction | None) -> ObservationFunction:
    """The observation that a card names, if it was given."""
    if own is None or not same_name(declared, name_of(own)):
        given = "none was given" if own is None else f"{name_of(own)} was given"
        raise PolicyError(
            f"the function {declared} that the policy observes with",
            f"{folder / CARD} names it, {given}, and nothing that a folder names is run",
            f"give it if it is yours: `observation={declared}` (of `tercel.load_policy`: the function itself)",
        )
    return own


# -- parts ----------------------------------------------------------------------------------------
# A strategy taken apart: the same without its network, its forecast, its guard or its clock of events.
#
# What a part is worth is what the strategy costs without it less what it costs with it, on the same episodes.

NETWORK, FORECAST, GUARD, CLOCK, LEARNED = "network", "forecast", "guard", "clock", "learned"
PLACEBO: Final = "placebo"
# Parts by name, and what each is; a placebo does not switch a forecast off, it shows that of another market.
PARTS: Final[Mapping[str, str]] = {
    NETWORK: "what the network moves of the rule that it starts from",
    FORECAST: "what the forecast changes; the cost of waiting stays known",
    GUARD: "the guard against late fills",
    CLOCK: "decisions between those of the schedule",
    LEARNED: "network and forecast together",
    PLACEBO: "the same, given the forecast of another day at that hour, or of another episode",
}


@dataclass(frozen=True)
class Idle:
    """A policy that says nothing, instead of one whose zeros are the rule that it starts from."""

    policy: PolicyPort

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def act(self, obs: Float32) -> AnyArray:
        """Zeros of the actions' shape."""
        return np.zeros_like(self.policy.act(obs))


@dataclass(frozen=True)
class _Same(Wrapper):
    """Wrapper that keeps the name of the inner strategy."""

    inner: Strategy

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy."""
        return self.inner.decide(view)


class OnSchedule(_Same):
    """A strategy without its clock of events: it decides as the task's clock says."""

    @property
    def gap_ns(self) -> int:
        """None."""
        return 0


class WithoutForecast(_Same):
    """A strategy without forecasts: it sees the usual spread alone."""

    @property
    def forecaster(self) -> Forecaster:
        """One that knows the usual spread alone."""
        return spread_alone()


class ZeroForecast(_Same):
    """A strategy with every forecast move set to 0: it decides by the costs of taking and waiting alone."""

    @property
    def forecaster(self) -> Forecaster | None:
        """The inner strategy's, which expects nothing."""
        found = forecaster_of(self.inner)
        return None if found is None else replace(found, scale=found.scale * [0.0, 1.0])


class PlaceboForecast(_Same):
    """A strategy that sees the forecasts of other episodes (`lab.evaluation.windows`), and its own usual spread."""


def listens(strategy: Strategy) -> bool:
    """Whether a strategy reads forecasts."""
    return forecaster_of(strategy) not in (None, spread_alone())


def hearing(strategy: Strategy, model: str) -> Strategy:
    """The same strategy with another forecaster (a pre-trained one's name, or a folder) where it has one.

    >>> from tercel.execution.policies_packaged import named
    >>> hearing(named("default+posture"), "mine").inner.action_parameters["flow"]["model"]
    'mine'
    """
    changed: dict[str, Any] = {}
    if isinstance(strategy, PolicyStrategy) and listens(strategy):
        changed["action_parameters"] = {**strategy.action_parameters, "flow": {"model": model}}
    elif isinstance(strategy, TakeTimed):
        changed["model"] = model
    if (inner := getattr(strategy, "inner", None)) is not None:
        changed["inner"] = hearing(inner, model)
    return replace(cast(Any, strategy), **changed) if changed else strategy


def without(strategy: Strategy, part: str) -> Strategy | None:
    """`strategy` without a part; None where it has none, or where it cannot be separated.

    Parameters
    ----------
    strategy : Strategy
    part : str
        One of `PARTS`.

    Raises
    ------
    UnknownNameError
        No such part.

    >>> from tercel.execution.strategies import build
    >>> without(build("guarded"), "clock").name, without(build("twap_repeg"), "clock")
    ('guarded', None)
    """
    check_known(part, PARTS, said=f"part {part!r}")
    if part == CLOCK:
        return OnSchedule(strategy) if gap_of(strategy) else None
    if part == LEARNED:
        silent = without(strategy, NETWORK)
        return without(silent or strategy, FORECAST) or silent
    if part == PLACEBO:
        return PlaceboForecast(strategy) if listens(strategy) else None
    if part == FORECAST:
        deaf = _without_alpha(strategy)
        if not listens(strategy):
            return deaf
        return (ZeroForecast if goes_by_costs(strategy) else WithoutForecast)(deaf or strategy)
    if isinstance(strategy, Wrapper):
        inner = without(strategy.inner, part)
        return None if inner is None else replace(strategy, inner=inner)  # type: ignore[type-var]
    if isinstance(strategy, PolicyStrategy):
        return _of_a_policy(strategy, part)
    return (
        replace(strategy, guard=None) if isinstance(strategy, Guarded) and part == GUARD else None
    )


def goes_by_costs(strategy: Strategy) -> bool:
    """Whether the policy inside a strategy compares what an order pays now with what waiting costs."""
    if isinstance(strategy, Wrapper):
        return goes_by_costs(strategy.inner)
    return isinstance(strategy, PolicyStrategy) and strategy.goes_by_costs


def _without_alpha(strategy: Strategy) -> Strategy | None:
    """A strategy without the tilt of an alpha; None where it has none."""
    if isinstance(strategy, AlphaTilt):
        return strategy.inner
    inner = _without_alpha(strategy.inner) if isinstance(strategy, Wrapper) else None
    return None if inner is None else replace(strategy, inner=inner)  # type: ignore[type-var]


def _of_a_policy(strategy: PolicyStrategy, part: str) -> Strategy | None:
    """Learned policy without one part, as :func:`without`; None for other parts."""
    if part == NETWORK and strategy.from_a_rule:
        return replace(strategy, policy=Idle(strategy.policy))
    if part == GUARD and strategy.goes_by_costs:
        return replace(strategy, action_parameters={**strategy.action_parameters, "guarded": False})
    if part == GUARD and GUARD in strategy.action_parameters:
        others = {
            name: value for name, value in strategy.action_parameters.items() if name != GUARD
        }
        return replace(strategy, action_parameters=others)
    return None


# -- model ----------------------------------------------------------------------------------------
# A network of the user's, any other function of observations, or a Stable-Baselines3 model, as a strategy.


class _Acting:
    """A function of observations, or a model with `predict`, as a policy."""

    def __init__(
        self, act: Callable[[Float32], Any], size: int, n_actions: int, continuous: bool
    ) -> None:
        self._act = act
        self.observation_size = size
        self.n_actions = n_actions
        self.continuous = continuous
        self.head = "vector" if continuous else "logits"

    def act(self, obs: Float32) -> AnyArray:
        """Actions int64 (n,), or float32 (n, A)."""
        found, n = np.asarray(self._act(obs.copy())), len(obs)
        wanted = (n, self.n_actions) if self.continuous else (n,)
        whole = self.continuous or found.dtype.kind in "iu"
        if found.shape != wanted or not whole:
            kind = "numbers" if self.continuous else "whole numbers"
            raise ConfigError(
                f"actions as {kind} of shape {wanted}",
                f"{found.dtype} of shape {found.shape}",
                self._remedy(found, n),
            )
        if not self.continuous and ((found < 0) | (found >= self.n_actions)).any():
            raise ConfigError(
                f"actions from 0 to {self.n_actions - 1}",
                f"{int(found.min())} to {int(found.max())}",
                "name the set that it was made for",
            )
        return found.astype(np.float32 if self.continuous else np.int64)

    def _remedy(self, found: AnyArray, n: int) -> str:
        """Remedy, for an error message, for a model's output of another shape or kind."""
        if found.ndim == 0 or len(found) != n:
            return f"answer every row of the observation: {n} here"
        if self.continuous:
            return f"answer {self.n_actions} numbers per row, or name the actions that the model was made for: actions=..."
        if found.shape == (n, self.n_actions):
            best = "numpy.argmax(model(obs), axis=1)"
            return f"a number for each action: answer the best one, {best}, or keep the network by tercel.save_policy"
        if found.size == n:
            return "one whole number per row: numpy.asarray(answer).reshape(len(obs)).astype(int)"
        if found.ndim == 2 and found.dtype.kind == "f":
            return f"{found.shape[1]} numbers per row are for other actions than these {self.n_actions}: name theirs"
        return "answer the number of one action per row"

    def logits(self, obs: Float32) -> Float32:
        """1 for the action taken, 0 for every other; of a continuous policy the action."""
        actions = self.act(obs)
        if self.continuous:
            return actions.astype(np.float32)
        return np.asarray(np.eye(self.n_actions, dtype=np.float32)[actions])


def model_strategy(
    model: Any,
    name: str,
    *,
    actions: str = "placement",
    action_parameters: Mapping[str, Any] | None = None,
    observation: str | ObservationFunction = OBSERVATION,
    stack: int = 1,
    normalize: Any = None,
) -> PolicyStrategy:
    """A network, any other callable obs -> action, or a Stable-Baselines3 model as a strategy.

    A model that was trained under a `VecNormalize` observes what it observed there.

    Parameters
    ----------
    model : callable or object with `predict`
        float32 (n, D) -> int64 (n,), or float32 (n, A) where the actions are vectors; of `predict` the first of the two
        that it returns is taken.
    name : str
        Name in tables.
    actions : str
        A set of `tercel.execution.action_sets`: what an action means; with `action_parameters`.
    observation, stack
        Its observation (`tercel.execution.observation`), or a function of a view.
    normalize : VecNormalize or False, optional
        That of a model's training, where it is no longer attached; False: it observed numbers as they are.

    Raises
    ------
    UnknownNameError, ConfigError
        No such actions or observation; nothing that can be called.
    PolicyError
        A model of another environment, or of observations that are changed in an unknown way (:func:`statistics_of`).

    >>> import numpy as np
    >>> model_strategy(lambda obs: np.zeros(len(obs), int), "always_0").name
    'always_0'
    """
    predict = getattr(model, "predict", None)
    refuse_if(
        predict is None and hasattr(model, "state_dict"),
        "a function of arrays",
        f"{type(model).__name__}, a torch module",
        "make a policy of it: tercel.save_policy(model, folder); or give a function obs -> action that calls it",
    )
    refuse_if(
        predict is None and not callable(model),
        "a callable obs -> action, or a model with predict",
        repr(model),
        "give one of the two",
    )
    parameters = action_parameters or {}
    chosen, watched = action_set(actions, parameters), observer(observation, stack)
    refuse_if(
        hasattr(getattr(model, "policy", None), "lstm_actor")
        or (
            actions == "allocation"
            and np.min(getattr(getattr(model, "action_space", None), "low", 0)) < 0
        ),
        "a model without a memory, whose answers are the actions themselves",
        type(model).__name__,
        f"make a policy of it: tercel.save_policy(model, folder, actions={actions!r})",
    )
    call = model
    if predict is not None:
        call = _predicting(predict, statistics_of(model, watched, chosen, normalize))
    policy = _Acting(call, watched.size, chosen.size, chosen.continuous)
    return PolicyStrategy(
        name, policy, actions, action_parameters=parameters, observation=observation, stack=stack
    )


def _predicting(predict: Callable[..., Any], statistics: Any) -> Callable[[Float32], Any]:
    """Greedy predictions of a model for raw observations."""
    shown = (lambda obs: obs) if statistics is None else statistics.normalize_obs
    return lambda obs: predict(shown(obs), deterministic=True)[0]


# Bound of vectors in `tercel.sb3_env`: Stable-Baselines3 wants one and cuts actions there; no decoder goes so far.
BOUND: Final = 1e3
# Wrappers of Gymnasium and Stable-Baselines3 that change neither observations nor actions.
_HARMLESS: Final = (
    *("ActionMasker", "Autoreset", "DummyVecEnv", "HumanRendering", "Monitor", "NormalizeReward"),
    *("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordVideo", "TimeLimit"),
    *("RenderCollection", "VecCheckNan", "VecMonitor", "VecNormalize", "VecVideoRecorder"),
)


def statistics_of(model: Any, observed: Observer, actions: ActionSet, given: Any = None) -> Any:
    """The `VecNormalize` by which a Stable-Baselines3 model observes; None: it observes numbers as they are.

    The attached environment shows its wrappers. Without one the last observations tell, which a saved model keeps.

    Parameters
    ----------
    model : object with `predict`
    observed, actions
        What it is to observe, and its actions.
    given : VecNormalize or False, optional
        As of :func:`model_strategy`.

    Raises
    ------
    PolicyError
        A model of other spaces, or that was trained on other numbers and without the statistics that make them.
    """
    kind, space = type(model).__name__, getattr(model, "observation_space", None)
    if space is None:
        return None
    act = model.action_space
    width = (act.shape or (0,))[0] if actions.continuous else getattr(act, "n", 0)
    if (
        space.shape != (observed.size,)
        or width != actions.size
        or (actions.continuous and np.min(np.abs([act.low, act.high])) < BOUND)
    ):
        bounds = f", from {-BOUND:g} to {BOUND:g}" * actions.continuous
        raise PolicyError(
            f"a model that observes the {observed.size} numbers of {observed.name!r} and has the {actions.size} actions"
            f" of {actions.name!r}{bounds}",
            f"{kind} that observes {space} and has {act}",
            "name its own, observation=... and actions=...; or train it in tercel.sb3_env(...), without frame stacks or"
            " other wrappers",
        )
    if given is False:
        return None
    chain = [*_chain(getattr(model, "get_env", lambda: None)())]
    attached = [one for one in chain if "norm_obs" in vars(one)]
    found = next(iter(attached), None) if given is None else given
    moments = getattr(found, "__dict__", {}).get(
        "obs_rms"
    )  # none where rewards alone are normalised
    refuse_if(
        (given is not None and "norm_obs" not in getattr(given, "__dict__", {}))
        or (moments is not None and (np.shape(moments.mean) != space.shape or moments.count < 1)),
        f"a VecNormalize of the {observed.size} numbers of {observed.name!r} after its training",
        repr(given)
        if moments is None
        else f"one of {np.shape(moments.mean)} after {moments.count:.0f} observations",
        "give as normalize what VecNormalize.save wrote: pickle.load(open(FILE, 'rb'))",
        PolicyError,
    )
    certain, unknown = _wrappers(chain)
    last, first = (getattr(model, name, None) for name in ("_last_obs", "_last_original_obs"))
    usual = _is_usual(last if moments is None else first, observed)
    if usual is None and found is None and first is not None:  # was trained under some VecNormalize
        usual = last is not None and any(
            np.intersect1d(one, other[other != 0]).size
            for one, other in zip(last.T, first.T, strict=True)
        )
    if usual is False or certain or (unknown and usual is None) or len(attached) > 1:
        names = ", ".join(dict.fromkeys([*certain, *unknown]))
        raise PolicyError(
            f"a model that observed {observed.name!r} as it is, or by one VecNormalize whose statistics are known",
            f"{kind} trained on other numbers{names and ', under '}{names}",
            "give as normalize what VecNormalize.save wrote: pickle.load(open(FILE, 'rb')) (`tercel agent convert`:"
            " `moments=FILE`); or a function that does what other wrappers do before it calls the model:"
            " tercel.model_strategy(function, name); or False as normalize if it did observe numbers as they are",
        )
    return None if moments is None else found


def _chain(env: Any) -> Iterator[Any]:
    """An environment and those inside it, from the outermost; of several side by side the first."""
    while env is not None:
        yield env
        inside = [vars(env)[name] for name in ("venv", "envs", "env") if name in vars(env)]
        env = next(iter(np.ravel(np.array(inside[:1], object))), None)


def _wrappers(chain: list[Any]) -> tuple[list[str], list[str]]:
    """Names of the wrappers that change observations or actions, and of those that may."""
    from gymnasium import ActionWrapper, ObservationWrapper, RewardWrapper

    foreign = [one for one in chain if type(one).__name__ not in _HARMLESS]
    foreign = [one for one in foreign if not isinstance(one, RewardWrapper)]
    kinds = (ActionWrapper, ObservationWrapper)
    certain = [kind.__name__ for kind in kinds if chain and any(chain[0].env_is_wrapped(kind))]
    certain += [
        type(one).__name__
        for one in foreign
        if "venv" in vars(one)
        or (
            "env" in vars(one)
            and type(one).__module__.startswith(("gymnasium.", "stable_baselines3."))
        )
    ]
    names = [type(one).__name__ for one in foreign if "env" in vars(one)]
    return certain, names + [
        type(one).__name__ for one in chain if type(one).__name__ == "SubprocVecEnv"
    ]


def _is_usual(rows: Any, observed: Observer) -> bool | None:
    """Whether rows are as an observation of Tercel's may be: its first five entries depend on each other.

    None for observations of the user's, and without rows.
    """
    if rows is None or observed.entries[:5] != LAST[:5]:
        return None
    part = rows[:, :5].T.astype(np.float64)
    seconds = np.expm1(part[4])
    wrong = np.abs([part[1] - part[0] - part[2], seconds - 30.0 * part[0] * np.exp(part[3])])
    return bool((wrong < 1e-3 * (1.0 + seconds)).all() and (np.abs(part[0] - 0.5) <= 0.5).all())

"""A user's function of observations or Stable-Baselines3 model as a strategy (a torch network: `save_policy`)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from tercel.core.arrays import AnyArray, Float32
from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.columns import OBSERVATION
from tercel.execution.observation import (
    ObservationFunction,
    Observer,
    is_user_name,
    name_of,
    observer,
    warn_of_name,
)
from tercel.execution.observation_encoder import LAST
from tercel.execution.policies.strategy import PolicyStrategy, base_of

# Bound of vectors in `tercel.sb3_env`: Stable-Baselines3 wants one and cuts actions there; no decoder goes so far.
BOUND: Final = 1e3
# Attribute of an environment's observation space: what a policy's numbers mean there.
RECORD: Final = "tercel"
USUAL: Final[Mapping[str, Any]] = {
    "actions": "placement",
    "action_parameters": {},
    "observation": OBSERVATION,
    "stack": 1,
}
# Wrappers of Gymnasium and Stable-Baselines3 that change neither observations nor actions.
_HARMLESS: Final = (
    *("ActionMasker", "Autoreset", "DummyVecEnv", "HumanRendering", "Monitor", "NormalizeReward"),
    *("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordVideo", "TimeLimit"),
    *("RenderCollection", "VecCheckNan", "VecMonitor", "VecNormalize", "VecVideoRecorder"),
)


# A network of the user's, any other function of observations, or a Stable-Baselines3 model, as a strategy.
class _FunctionPolicy:
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
        """Actions int64 (n,), or float32 (n, A), that the function answers; ConfigError for a wrong shape, kind or index."""
        answer = np.asarray(self._act(obs.copy()))
        n = len(obs)
        shape = (n, self.n_actions) if self.continuous else (n,)
        fits = self.continuous or answer.dtype.kind in "iu"
        if answer.shape != shape or not fits:
            kind = "numbers" if self.continuous else "whole numbers"
            raise ConfigError(
                f"actions as {kind} of shape {shape}",
                f"{answer.dtype} of shape {answer.shape}",
                self._remedy(answer, n),
            )
        if not self.continuous and ((answer < 0) | (answer >= self.n_actions)).any():
            raise ConfigError(
                f"actions from 0 to {self.n_actions - 1}",
                f"{int(answer.min())} to {int(answer.max())}",
                "name the set that it was made for",
            )
        return answer.astype(np.float32 if self.continuous else np.int64)

    def _remedy(self, answer: AnyArray, n: int) -> str:
        """Text on how to correct a model's output of wrong shape or kind, for an error on `n` observations."""
        if answer.ndim == 0 or len(answer) != n:
            return f"answer every row of the observation: {n} here"
        if self.continuous:
            return f"answer {self.n_actions} numbers per row, or name the actions that the model was made for: actions=..."
        if answer.shape == (n, self.n_actions):
            best = "numpy.argmax(model(obs), axis=1)"
            return f"a number for each action: answer the best one, {best}, or keep the network by tercel.save_policy"
        if answer.size == n:
            return "one whole number per row: numpy.asarray(answer).reshape(len(obs)).astype(int)"
        if answer.ndim == 2 and answer.dtype.kind == "f":
            return f"{answer.shape[1]} numbers per row are for other actions than these {self.n_actions}: name theirs"
        return "answer the number of one action per row"

    def logits(self, obs: Float32) -> Float32:
        """One-hot outputs of the action taken; for a continuous policy the action itself."""
        actions = self.act(obs)
        if self.continuous:
            return actions.astype(np.float32)
        return np.asarray(np.eye(self.n_actions, dtype=np.float32)[actions])


def model_strategy(
    model: Any,
    name: str,
    *,
    actions: str | None = None,
    action_parameters: Mapping[str, Any] | None = None,
    observation: str | ObservationFunction | None = None,
    stack: int | None = None,
    normalize: Any = None,
) -> PolicyStrategy:
    """A strategy of a user's network, function obs -> action, or Stable-Baselines3 model; PolicyError if a model's
    spaces do not fit; a function's answers are checked when it decides.

    A model that was trained under a `VecNormalize` observes what it observed there.

    Parameters
    ----------
    model : callable or object with `predict`
        float32 (n, D) -> int64 (n,), or float32 (n, A) where the actions are vectors; of `predict` the first of the two
        that it returns is taken.
    name : str
        Name in tables.
    actions : str
        A set of `tercel.execution.action_sets`: what an action means; with `action_parameters`. A model of a Tercel
        environment knows its actions and observation, also when it was saved; for others "placement".
    observation, stack
        Its observation (`tercel.execution.observation`; "v3"), or a function of a view, which a saved model needs again.
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
    interface = interface_of(
        model,
        actions=actions,
        action_parameters=action_parameters,
        observation=observation,
        stack=stack,
    )
    action_set_name, parameters, watched, intervals = interface.values()
    resolved_actions = action_set(action_set_name, parameters, base_of)
    resolved_observer = observer(watched, intervals)
    refuse_if(
        hasattr(getattr(model, "policy", None), "lstm_actor")
        or (
            resolved_actions.name == "allocation"
            and np.min(getattr(getattr(model, "action_space", None), "low", 0)) < 0
        ),
        "a model without a memory, whose answers are the actions themselves",
        type(model).__name__,
        f"make a policy of it: tercel.save_policy(model, folder, actions={resolved_actions.name!r})",
    )
    call = model
    if predict is not None:
        call = _make_predictor(
            predict, statistics_of(model, resolved_observer, resolved_actions, normalize)
        )
    policy = _FunctionPolicy(
        call, resolved_observer.size, resolved_actions.size, resolved_actions.continuous
    )
    return PolicyStrategy(
        name,
        policy,
        action_set_name,
        action_parameters=parameters,
        observation=watched,
        stack=intervals,
    )


def record_interface(space: Any, meaning: Mapping[str, Any]) -> None:
    """Write into an observation space what a policy's numbers mean, with a function by its name: Stable-Baselines3 saves the
    space with a model.
    """
    vars(space)[RECORD] = {
        key: name_of(value) if callable(value) else value for key, value in meaning.items()
    }


def recorded_interface(model: Any) -> Mapping[str, Any]:
    """What a model's numbers mean by its environment, or without one by its observation space; empty if neither says."""
    env: Any = getattr(model, "get_env", lambda: None)()
    try:
        return dict(env.get_attr("vec")[0].meaning)
    except AttributeError:
        return getattr(getattr(model, "observation_space", None), RECORD, {})


def interface_of(model: Any, **given: Any) -> Mapping[str, Any]:
    """What a model's numbers mean: actions, action_parameters, observation and stack, as recorded, else as given, else usual.

    Parameters
    ----------
    given
        What somebody says of them; None: nothing.

    Raises
    ------
    PolicyError
        Another thing is given than is recorded, or the user's function that a saved model observes by is not.
    """
    recorded = {**recorded_interface(model)}
    watched = recorded.get("observation", "")
    function = given.get("observation")
    declared = name_of(watched) if callable(watched) else watched
    if is_user_name(declared) and callable(function):
        warn_of_name(declared, function, f"the {type(model).__name__}")
        recorded |= {"observation": function}
    for key, value in given.items():
        refuse_if(
            value is not None and recorded.get(key, value) != value,
            f"{key} {recorded.get(key)!r}, with which the model was trained",
            repr(value),
            "leave it out, or name that",
            PolicyError,
        )
    stated = {key: value for key, value in given.items() if value is not None}
    interface = {**USUAL, **stated, **recorded}
    refuse_if(
        interface.get("observation") == declared and is_user_name(declared),
        f"the function {declared} that the {type(model).__name__} observes by",
        "none was given, and nothing that a file names is run",
        f"give it if it is yours: observation={declared.rpartition(':')[2]}",
        PolicyError,
    )
    return interface


def _make_predictor(predict: Callable[..., Any], statistics: Any) -> Callable[[Float32], Any]:
    """Function from raw observations to deterministic predictions of a model, normalised by `statistics`."""
    normalize = (lambda obs: obs) if statistics is None else statistics.normalize_obs
    return lambda obs: predict(normalize(obs), deterministic=True)[0]


def statistics_of(model: Any, observed: Observer, actions: ActionSet, normalize: Any = None) -> Any:
    """The `VecNormalize` that normalises a Stable-Baselines3 model's observations; None if they are raw, PolicyError if
    that is unclear or the model's spaces do not fit.

    The attached environment shows its wrappers. Without one the last observations tell, which a saved model keeps.

    Parameters
    ----------
    model : object with `predict`
    observed, actions
        What it is to observe, and its actions.
    normalize : VecNormalize or False, optional
        As of :func:`model_strategy`.

    Raises
    ------
    PolicyError
        A model of other spaces, or that was trained on other numbers and without the statistics that make them.
    """
    kind = type(model).__name__
    space = getattr(model, "observation_space", None)
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
    if normalize is False:
        return None
    chain = [*_environment_chain(getattr(model, "get_env", lambda: None)())]
    attached = [environment for environment in chain if "norm_obs" in vars(environment)]
    statistics = next(iter(attached), None) if normalize is None else normalize
    moments = getattr(statistics, "__dict__", {}).get(
        "obs_rms"
    )  # none where rewards alone are normalised
    refuse_if(
        (normalize is not None and "norm_obs" not in getattr(normalize, "__dict__", {}))
        or (moments is not None and (np.shape(moments.mean) != space.shape or moments.count < 1)),
        f"a VecNormalize of the {observed.size} numbers of {observed.name!r} after its training",
        repr(normalize)
        if moments is None
        else f"one of {np.shape(moments.mean)} after {moments.count:.0f} observations",
        "give as normalize what VecNormalize.save wrote: pickle.load(open(FILE, 'rb'))",
        PolicyError,
    )
    certain, unknown = _altering_wrappers(chain)
    last, first = (getattr(model, name, None) for name in ("_last_obs", "_last_original_obs"))
    usual = _is_usual(last if moments is None else first, observed)
    if (
        usual is None and statistics is None and first is not None
    ):  # was trained under some VecNormalize
        usual = last is not None and any(
            np.intersect1d(column, original[original != 0]).size
            for column, original in zip(last.T, first.T, strict=True)
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
    return None if moments is None else statistics


def _environment_chain(env: Any) -> Iterator[Any]:
    """An environment and those that it wraps, outermost first; of a vector of environments the first; none for None."""
    while env is not None:
        yield env
        inside = [vars(env)[name] for name in ("venv", "envs", "env") if name in vars(env)]
        env = next(iter(np.ravel(np.array(inside[:1], object))), None)


def _altering_wrappers(chain: list[Any]) -> tuple[list[str], list[str]]:
    """Names of wrappers in an environment's chain that do change observations or actions, and names of those that may."""
    from gymnasium import ActionWrapper, ObservationWrapper, RewardWrapper

    foreign = [wrapper for wrapper in chain if type(wrapper).__name__ not in _HARMLESS]
    foreign = [wrapper for wrapper in foreign if not isinstance(wrapper, RewardWrapper)]
    kinds = (ActionWrapper, ObservationWrapper)
    certain = [kind.__name__ for kind in kinds if chain and any(chain[0].env_is_wrapped(kind))]
    certain += [
        type(wrapper).__name__
        for wrapper in foreign
        if "venv" in vars(wrapper)
        or (
            "env" in vars(wrapper)
            and type(wrapper).__module__.startswith(("gymnasium.", "stable_baselines3."))
        )
    ]
    names = [type(wrapper).__name__ for wrapper in foreign if "env" in vars(wrapper)]
    return certain, names + [
        type(wrapper).__name__ for wrapper in chain if type(wrapper).__name__ == "SubprocVecEnv"
    ]


def _is_usual(rows: Any, observed: Observer) -> bool | None:
    """Whether rows look like unnormalised observations of Tercel, by relations among their first five entries; None if there are
    no rows, or the observation begins with other entries.

    None for observations of the user's, and without rows.
    """
    if rows is None or observed.entries[:5] != LAST[:5]:
        return None
    part = rows[:, :5].T.astype(np.float64)
    seconds = np.expm1(part[4])
    wrong = np.abs([part[1] - part[0] - part[2], seconds - 30.0 * part[0] * np.exp(part[3])])
    return bool((wrong < 1e-3 * (1.0 + seconds)).all() and (np.abs(part[0] - 0.5) <= 0.5).all())

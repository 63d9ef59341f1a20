"""``tercel.evaluate``: the evaluation of ``tercel agent evaluate``, for any strategy or policy."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tercel.api.display import trim_traceback
from tercel.api.market import Market
from tercel.api.policy import Policy
from tercel.api.tuning import Tuned
from tercel.core.errors import ConfigError, UnknownNameError, refuse_if
from tercel.execution.orders import Order
from tercel.execution.policies.model_policy import interface_of, recorded_interface
from tercel.execution.registry import resolve_policy
from tercel.execution.registry.resolve import PACKAGED, POLICY, choices, unknown_policy_error
from tercel.execution.strategies import ALL_BASELINES, KNOWN
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.execution.user_strategy import (
    absolute_name,
    installed_strategies,
    is_user_strategy,
    wrap_strategy,
)
from tercel.lab.evaluation.assumptions import parse_assumptions
from tercel.lab.evaluation.pipeline.candidates import (
    ALL,
    Candidate,
    load_user_strategies,
    split_wrappers,
)
from tercel.lab.evaluation.pipeline.experiment import (
    Experiment,
    scenarios_of,
)
from tercel.lab.evaluation.pipeline.participants import (
    Participants,
    members_of,
    select_participants,
)
from tercel.lab.evaluation.pipeline.result import Result
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.own_models import strategy_of


@trim_traceback
def evaluate(
    candidates: Sequence[Any] | Any,
    market: Market,
    task: Task | Sequence[Order] | None = None,
    *,
    episodes: int = 1_000,
    seed: int = 1,
    allow_seen_days: bool = False,
    assume: str | None = None,
    out: str | Path | None = None,
) -> Result:
    """Compare policies, rules and your own strategies on the same unseen episodes, paired and with intervals.

    The figures are those of ``tercel agent evaluate`` on the same candidates and seed. Market estimates that rules use
    come from training episodes only. Everything runs in this process.

    Parameters
    ----------
    candidates : sequence
        Names of policies and rules ("default", "twap_take", "all"), ``module:Name``; policies; results of
        :func:`tercel.strategy` or :func:`tercel.model_strategy`; a class or an object of
        :class:`tercel.Strategy`; a model of Stable-Baselines3 that was trained in a Tercel environment and still has
        it; a result of :func:`tercel.tune`. A family ("default-all") is one row as well. At least one is a
        built-in rule: the best of those, chosen on other episodes, is the benchmark of all others.
    market : Market
    task : Task or sequence of Order
        Orders to execute; those of :func:`tercel.read_orders` run on the tapes of the market's lake, whatever
        its symbol.
    episodes : int
        Number of episodes; on tape the maximum.
    seed : int
        Base seed of the episodes, from 0.
    allow_seen_days : bool
        Whether to evaluate policies on recorded days of their own training, or of their market's calibration. A note
        below the table says so; such a figure is no evidence for other days.
    assume : str, optional
        Other assumptions under which gains are judged again, one at a time: "none", or a list by commas of impact (a
        resting fill moves the price as a take, or not at all), latency (100 ms, 1 s) and fees (takers pay 1 bps). By
        default all, from 100 orders on.
    out : str or Path, optional
        Folder of finished results, so that the same call continues there; a temporary one by default. Objects of
        this process are evaluated again in every call.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        Two candidates of one name, no rule, a policy that was trained on evaluated data (unless
        `allow_seen_days`).
    UnknownNameError, PolicyError
        An unknown name, a policy that cannot be run.

    >>> from tercel.api.market import load_market
    >>> task = Task(horizon="1min", decisions=2, warmup_s=0)
    >>> evaluate(["twap_take", "pov"], load_market("csco-santa-fe"), task, episodes=2).best_baseline
    'twap_take'
    """
    refuse_if(
        not isinstance(episodes, int) or not isinstance(seed, int) or episodes < 2 or seed < 0,
        "at least 2 episodes, and a seed from 0",
        f"{episodes!r} and {seed!r}",
        "such as 1000 and 7",
    )
    if not isinstance(market, Market):
        example = (
            f"tercel.load_market({market!r})"
            if isinstance(market, str)
            else "tercel.load_market('sh600961')"
        )
        raise ConfigError(
            "a tercel.Market", f"{type(market).__name__} {market!r}", f"such as {example}"
        )
    orders = list(task) if isinstance(task, Sequence) else []
    refuse_if(
        not isinstance(task, Task | None)
        and not (orders and all(isinstance(order, Order) for order in orders)),
        "a tercel.Task, or a list of tercel.Order",
        f"{type(task).__name__}",
        "such as tercel.Task(share=0.1, horizon='30min')",
    )
    scenarios = scenarios_of(
        [market],
        task if isinstance(task, Task) else Task(),
        orders,
        seeds=(seed,),
        episodes=episodes,
    )
    listed = (
        [candidates]
        if isinstance(candidates, str) or not isinstance(candidates, Iterable)
        else list(candidates)
    )
    experiment = Experiment(
        scenarios,
        participants_of(listed, scenarios),
        in_process=True,
        allow_seen_days=allow_seen_days,
        assumptions=parse_assumptions(assume),
    )
    with TemporaryDirectory(prefix="tercel-") as temporary:
        return experiment.run(Path(temporary if out is None else out))


def participants_of(
    candidates: Sequence[Any],
    scenarios: Mapping[str, Scenario],
    family: str = "",
    observations: Sequence[str] = (),
) -> Participants:
    """Participants of an evaluation from names and objects; raises for unknown names.

    Parameters
    ----------
    candidates
        As of :func:`evaluate`, or rows of tables.
    scenarios : mapping of name to Scenario
    family : str
        If not empty, all policies are evaluated as one of this name.
    observations : sequence of str
        The user's own observation functions of policies.

    Raises
    ------
    ConfigError, UnknownNameError, PolicyError
        As :func:`evaluate`.
    """
    labels = [
        candidate if isinstance(candidate, str) else getattr(candidate, "name", "")
        for candidate in candidates
    ]
    labels += ALL_BASELINES if ALL in labels else ()
    baselines = list[Candidate]()
    typed = list[str]()
    own_candidates = list[Candidate]()
    for candidate in candidates:
        participant: Candidate | None = None
        if isinstance(candidate, Path):
            typed.append(str(candidate))
        elif isinstance(candidate, Candidate):
            participant = candidate
        elif isinstance(candidate, str) and candidate == ALL:
            baselines += [Candidate(name) for name in ALL_BASELINES]
        elif isinstance(candidate, str) and candidate.split("+")[0] in KNOWN:
            participant = Candidate(candidate)
        elif (
            isinstance(candidate, str)
            and is_user_strategy(candidate)
            and not candidate.startswith((POLICY, PACKAGED))
        ):
            own_candidates += load_user_strategies([absolute_name(candidate)])
        elif isinstance(candidate, str):
            typed.append(_check_policy_name(candidate))
        elif isinstance(candidate, Policy):
            # policies whose cards share a name are called by their folders as well
            is_ambiguous = (
                labels.count(candidate.name) > 1
                and not candidate.temporary
                and candidate.name == candidate.card.name
            )
            name = f"{candidate.name} ({candidate.folder})" if is_ambiguous else candidate.name
            participant = Candidate(
                name, str(candidate.folder.resolve()), observation=candidate.observation
            )
        elif isinstance(candidate, Tuned):
            participant = Candidate(
                candidate.name,
                user_strategy=candidate.strategy,
                variants=max(len(candidate.trials), 1),
            )
        else:
            strategy = own_strategy(candidate)
            participant = Candidate(strategy.name, user_strategy=strategy)
        if participant is not None:
            (baselines if participant.kind in ("baseline", "random") else own_candidates).append(
                participant
            )
    field = select_participants(typed, family, scenarios, own_candidates, observations, baselines)
    refuse_if(
        "baseline" not in [candidate.kind for candidate in baselines],
        "at least one rule to compare with",
        ", ".join(candidate.key for candidate in field.policies),
        "add one, such as 'twap_take'",
    )
    return field


def _check_policy_name(name: str) -> str:
    """The name of a policy or of a family.

    Raises
    ------
    UnknownNameError
        Neither is there; the nearest of everything that can be judged is offered.
    """
    try:
        if not members_of(name):
            resolve_policy(split_wrappers(name)[0])
    except UnknownNameError as error:
        known_names = [*KNOWN, *choices(), *installed_strategies()]
        raise unknown_policy_error(name, known_names, "a policy, a rule, or module:Name") from error
    return name


def own_strategy(candidate: Any) -> Strategy:
    """The strategy of a user's object, or of a model that was trained in a Tercel environment."""
    if hasattr(candidate, "predict") and not hasattr(candidate, "decide"):
        name = type(candidate).__name__
        if recorded_interface(candidate):
            return strategy_of(candidate, name, **interface_of(candidate))
        raise ConfigError(
            "a strategy, or a model with its actions and observation",
            name,
            "call tercel.model_strategy(model, name, actions=..., observation=...)",
        )
    return wrap_strategy(candidate)

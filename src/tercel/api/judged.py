"""``tercel.evaluate``: the judge of ``tercel agent evaluate``, for whatever can work an order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tercel.api.learn import Tuned
from tercel.api.market import Market
from tercel.api.policy import Policy
from tercel.api.result import Result
from tercel.api.short_traceback import brief
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.files import write_atomic
from tercel.core.progress import say
from tercel.core.serialization import json_text
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry import resolve_policy
from tercel.execution.registry.resolve import PACKAGED, POLICY, choices, unknown
from tercel.execution.strategies import ALL_BASELINES, KNOWN, build
from tercel.execution.task import Task
from tercel.execution.user_strategy import checked, findable, installed, is_own, tried
from tercel.lab.evaluation.orders import Order
from tercel.lab.evaluation.pipeline.candidates import (
    SPARE,
    Candidate,
    own_of,
    refuse_same_names,
    wrapped,
)
from tercel.lab.evaluation.pipeline.evaluation_result import EvaluationResult
from tercel.lab.evaluation.pipeline.families import Participants, field_of, members_of
from tercel.lab.evaluation.pipeline.page import write_page
from tercel.lab.evaluation.pipeline.request import (
    EvaluationRequest,
    notes_of,
    run_evaluation,
    settings_of,
)
from tercel.lab.evaluation.pipeline.results import Evaluation
from tercel.lab.evaluation.pipeline.summary import summary_of
from tercel.lab.evaluation.settings import MarketTask
from tercel.lab.learning.own_models import meant_by, strategy_of

ALL = "all"


@brief
def evaluate(
    candidates: Sequence[Any] | Any,
    market: Market,
    task: Task | Sequence[Order] | None = None,
    *,
    episodes: int = 1_000,
    seed: int = 1,
    allow_seen_days: bool = False,
    out: str | Path | None = None,
) -> Result:
    """Judge policies, written strategies and your own on the same unseen episodes.

    The figures are those of ``tercel agent evaluate`` on the same candidates and seed. What written strategies may know
    of the market beforehand is estimated here, from training episodes alone. Everything runs in this process.

    Parameters
    ----------
    candidates : sequence
        Names of policies and written strategies ("default", "twap_take", "all"), ``module:Name``; policies; what
        :func:`tercel.strategy` or :func:`tercel.model_strategy` made; a class or an object of
        :class:`tercel.Strategy`; a model of Stable-Baselines3 that was trained in an environment of ours and still has
        it; what :func:`tercel.tune` found. A family ("default-all") is one row as well. At least one is a written
        strategy that ships: the best of those is what all others are compared with, chosen on episodes that are not
        judged.
    market : Market
    task : Task or sequence of Order
        What is to be executed; orders of :func:`tercel.read_orders` fall on the tapes of the market's lake, whatever
        its symbol.
    episodes : int
        Results episodes; on tape at most.
    seed : int
        Base seed of the episodes, from 0.
    allow_seen_days : bool
        Whether policies are judged on recorded days that they, or the market that they were trained in, learned from.
        It is said below the table; such a figure is no evidence for other days.
    out : str or Path, optional
        Folder that keeps what is finished, so that the same call goes on there; a temporary one by default. Objects of
        this process are judged again in every call.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        Two candidates of one name, no written strategy, a policy that learned from what is judged (unless
        `allow_seen_days`).
    UnknownNameError, PolicyError
        A name that nobody knows, a policy that cannot be run.

    >>> from tercel.api.market import load_market
    >>> task = Task(horizon="1min", decisions=2, warmup_s=0)
    >>> evaluate(["twap_take", "pov"], load_market("csco-santa-fe"), task, episodes=2).episodes
    2
    """
    if not isinstance(episodes, int) or not isinstance(seed, int) or episodes < 2 or seed < 0:
        raise ConfigError(
            "at least 2 episodes, and a seed from 0",
            f"{episodes!r} and {seed!r}",
            "such as 1000 and 7",
        )
    if not isinstance(market, Market):
        given = (
            f"tercel.load_market({market!r})"
            if isinstance(market, str)
            else "tercel.load_market('csco')"
        )
        raise ConfigError(
            "a tercel.Market", f"{type(market).__name__} {market!r}", f"such as {given}"
        )
    orders = list(task) if isinstance(task, Sequence) else []
    if not isinstance(task, Task | None) and not (
        orders and all(isinstance(one, Order) for one in orders)
    ):
        raise ConfigError(
            "a tercel.Task, or a list of tercel.Order",
            f"{type(task).__name__}",
            "such as tercel.Task(share=0.1, horizon='30min')",
        )
    markets = settings_of([market], task if isinstance(task, Task) else Task(), orders)
    listed = (
        [candidates]
        if isinstance(candidates, str) or not isinstance(candidates, Iterable)
        else list(candidates)
    )
    who = participants_of(listed, markets)
    request = EvaluationRequest(
        *who, markets, episodes, (seed,), here=True, allow_seen_days=allow_seen_days
    )
    with TemporaryDirectory(prefix="tercel-") as aside:
        judged = judge(request, Path(aside if out is None else out))
    return Result(judged.figures, evaluation=judged.evaluation)


def participants_of(
    candidates: Sequence[Any],
    markets: Mapping[str, MarketTask],
    family: str = "",
    observations: Sequence[str] = (),
) -> tuple[Participants, list[Candidate]]:
    """Candidates of an evaluation, and the written strategies among them, every name looked up.

    Parameters
    ----------
    candidates
        As of :func:`evaluate`, or rows of tables.
    markets : mapping of name to MarketTask
    family : str
        If not empty, all policies are judged as one of this name.
    observations : sequence of str
        Functions of the user's that policies may observe with.

    Raises
    ------
    ConfigError, UnknownNameError, PolicyError
        As :func:`evaluate`.
    """
    baselines, typed, own = _sorted(_renamed(candidates))
    field = field_of(typed, family, markets, own, observations)
    refuse_same_names([*field.policies, *baselines])
    if not any(one.kind == "baseline" for one in baselines):
        raise ConfigError(
            "at least one written strategy to compare with",
            ", ".join(one.key for one in field.policies),
            "add one, such as 'twap_take'",
        )
    return field, baselines


class Judged(NamedTuple):
    """Results of an evaluation and its figures, as the command prints them."""

    evaluation: Evaluation
    figures: EvaluationResult

    def write(self, out: Path, file: Path, page: Path, footer: str = "") -> EvaluationResult:
        """Write figures and page, whose last line is `footer`; the figures, with `out`, their folder."""
        result = replace(self.figures, out=str(out))
        write_atomic(file, json_text(result) + "\n")
        write_page(
            page, self.evaluation, result, footer=footer or f"results, figures and page: {out}"
        )
        return result


def judge(request: EvaluationRequest, out: Path) -> Judged:
    """Judge all candidates on the same episodes, in a folder that keeps what is finished.

    What is to be known is said on stderr, unless everything runs in this process.

    Raises
    ------
    ConfigError
        A policy that learned from what is judged.
    """
    notes = notes_of(request)
    out.mkdir(parents=True, exist_ok=True)
    for note in () if request.here else notes:
        say(note)
    evaluation = run_evaluation(request, out, notes)
    for note in () if request.here else evaluation.notes[len(notes) :]:
        say(note)
    return Judged(evaluation, summary_of(evaluation))


def _renamed(candidates: Sequence[Any]) -> list[Any]:
    """The candidates; policies of folders that share a name on their cards are called by their folders as well."""
    names = [one if isinstance(one, str) else getattr(one, "name", "") for one in candidates]
    names += ALL_BASELINES if ALL in names else ()
    return [
        replace(one, name=f"{one.name} ({one.folder})")
        if isinstance(one, Policy)
        and not one.temporary
        and one.name == one.card.name
        and names.count(one.name) > 1
        else one
        for one in candidates
    ]


def _sorted(candidates: Sequence[Any]) -> tuple[list[Candidate], list[str], list[Candidate]]:
    """Written strategies that ship, names of policies, and all else that is judged as they are: what is given as an
    object or is the user's, and rules that read a learned forecast."""
    baselines, typed, own = list[Candidate](), list[str](), list[Candidate]()
    for one in candidates:
        if isinstance(one, Path):
            typed.append(str(one))
        elif isinstance(one, Candidate):
            (baselines if one.kind in ("baseline", "random") else own).append(one)
        elif isinstance(one, str) and one == ALL:
            baselines += [Candidate(name) for name in ALL_BASELINES]
        elif isinstance(one, str) and one.split("+")[0] in KNOWN:
            build(one, SPARE)
            found = Candidate(one)
            (own if found.kind == "learned" else baselines).append(found)
        elif isinstance(one, str) and is_own(one) and not one.startswith((POLICY, PACKAGED)):
            own += own_of([findable(one)])
        elif isinstance(one, str):
            typed.append(_policy(one))
        else:
            own.append(_candidate(one))
    return baselines, typed, own


def _policy(name: str) -> str:
    """The name of a policy or of a family.

    Raises
    ------
    UnknownNameError
        Neither is there; the nearest of everything that can be judged is offered.
    """
    try:
        if not members_of(name):
            resolve_policy(wrapped(name)[0])
    except UnknownNameError as error:
        known = [*KNOWN, *choices(), *installed()]
        raise unknown(name, known, "a policy, a written strategy, or module:Name") from error
    return name


def _candidate(one: Any) -> Candidate:
    """An object of this process as a row of the tables."""
    if isinstance(one, Policy):
        policy_strategy(one.folder, one.name, one.observation)
        return Candidate(one.name, str(one.folder.resolve()), eyes=one.observation)
    if isinstance(one, Tuned):
        return Candidate(one.name, own=one.strategy)
    if hasattr(one, "predict") and not hasattr(one, "decide"):
        if meant := meant_by(one):
            return Candidate(type(one).__name__, own=strategy_of(one, type(one).__name__, **meant))
        raise ConfigError(
            "a strategy, or a model with its actions and observation",
            f"{type(one).__name__}",
            "call tercel.model_strategy(model, name, actions=..., observation=...)",
        )
    strategy = tried(checked(one))
    return Candidate(strategy.name, own=strategy)

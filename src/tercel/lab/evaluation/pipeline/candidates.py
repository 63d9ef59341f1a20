"""Candidates of an evaluation by the names that a user types: trained policies, rules, the user's own strategies."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from tercel.core.errors import ConfigError, refuse_if, split_commas
from tercel.execution.foresight.forecaster import Forecaster, spread_only_forecaster
from tercel.execution.observation import is_user_name, same_name
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies.parts import without_part
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies_packaged import packaged_names, resolve_packaged
from tercel.execution.registry import resolve_policy
from tercel.execution.routing import ROUTED
from tercel.execution.source_mark import source_mark
from tercel.execution.strategies import (
    ALL_BASELINES,
    WRAPPERS,
    WRITTEN,
    MarketEstimates,
    build,
    wrap,
)
from tercel.execution.strategies.timed_takes import TakeTimed
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.execution.user_strategy import CheckedStrategy, import_object, load_named, try_strategy
from tercel.lab.evaluation.judge import Kind
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.training_files import variants_in, variants_of_trial

ALL = "all"
LEARNED_RULES = (TakeTimed.name,)
"""Rules that read a learned forecast: they are judged as policies are."""
PLACEHOLDER_ESTIMATES = MarketEstimates(expected_volume=1.0, sigma=1.0, eta=1.0)
"""Estimates with which a name is tried before any market is built."""


@dataclass(frozen=True)
class Candidate:
    """One candidate of an evaluation, a row of every table: a policy, a rule or a user's strategy.

    Parameters
    ----------
    key : str
        Name in tables: a rule's, or what was typed for a policy.
    folder : str
        Of a policy; empty for anything else.
    wrappers : tuple of str
        Around a policy (`execution.strategies.WRAPPERS`).
    lacks : str
        Part of its strategy that is left out (ablation, `execution.policies.strategy`); "" for none.
    user_strategy : str, Strategy or callable, optional
        A user's own strategy: its name (`execution.user_strategy`), an object, or a maker of one from a market's
        estimates.
    variants : int
        Of a user's strategy: sets of parameters among which it was selected.
    """

    key: str
    folder: str = ""
    wrappers: tuple[str, ...] = field(default=(), kw_only=True)
    lacks: str = field(default="", kw_only=True)
    user_strategy: Any = field(default=None, compare=False, kw_only=True)
    observation: Any = field(default=None, compare=False, kw_only=True)
    """The user's observation that a policy was trained with: a function, or as it was named."""
    variants: int = field(default=1, compare=False, kw_only=True)
    session: str = field(
        default_factory=lambda: uuid4().hex, compare=False, kw_only=True, repr=False
    )
    """Tells an object of this process from any other."""

    @property
    def is_learned(self) -> bool:
        """Whether the candidate is a trained policy."""
        return bool(self.folder)

    @property
    def kind(self) -> Kind:
        """Kind for the judge: learned (policy, or rule with a learned forecast), own (or `routed`), random, baseline."""
        if self.is_learned:
            return "learned"
        if self.user_strategy is not None or self.key == ROUTED:
            return "own"
        if self.key.partition("+")[0] in LEARNED_RULES:
            return "learned"
        return "random" if self.key == "random" else "baseline"

    @property
    def forecaster(self) -> Forecaster | None:
        """Forecaster whose learned forecasts the candidate reads; None: none, or unknown for a user's strategy.

        Raises
        ------
        ConfigError, PolicyError, UnknownNameError
            A policy that cannot be run, or a name of no rule.
        """
        if self.user_strategy is not None:
            return None
        strategy: Strategy
        if self.is_learned:
            strategy = wrap(
                policy_strategy(Path(self.folder), "", self._observation), self.wrappers
            )
        else:
            strategy = build(self._rule_name, PLACEHOLDER_ESTIMATES)
        forecaster = forecaster_of(strategy)
        return None if forecaster is spread_only_forecaster() else forecaster

    def check(self) -> None:
        """Load the policy or rule, or have the user's strategy decide in two markets; raises for one that cannot be run.

        Raises
        ------
        ConfigError, PolicyError, UnknownNameError
            As :attr:`forecaster`; code of the user's that fails, an answer that is no intent.
        """
        if self.user_strategy is None:
            _ = self.forecaster
        else:
            try_strategy(self._load_user_strategy())

    def _load_user_strategy(self) -> Any:
        """The user's strategy, imported if it is a name."""
        return (
            load_named(self.user_strategy)
            if isinstance(self.user_strategy, str)
            else self.user_strategy
        )

    @property
    def card(self) -> Card:
        """Card of a policy; an empty card for any other candidate."""
        return read_card(Path(self.folder) / CARD) if self.is_learned else Card(self.key, (), "", 0)

    def strategy(self, market: BuiltMarket) -> Strategy:
        """Build the candidate's strategy with the estimates of a market; a user's checked object is copied. ConfigError
        without the part that it is to lack.

        Raises
        ------
        ConfigError
            It has no such part as it is to lack.
        """
        strategy = self.without(self.lacks, market) if self.lacks else self._build_whole(market)
        if strategy is None:
            raise ConfigError(f"a strategy with a {self.lacks}", self.key, "leave the part out")
        return strategy

    def without(self, part: str, market: BuiltMarket) -> Strategy | None:
        """The candidate's strategy without a part (ablation); None if it does not have that part."""
        return without_part(self._build_whole(market), part)

    def _build_whole(self, market: BuiltMarket) -> Strategy:
        """Build the candidate's strategy with all its parts."""
        if self.is_learned:
            name = self.key.split("+")[0] if self.wrappers else self.key
            return wrap(policy_strategy(Path(self.folder), name, self._observation), self.wrappers)
        if self.user_strategy is None:
            return build(self._rule_name, market.estimates)
        strategy: Strategy = self._load_user_strategy()
        if not hasattr(strategy, "decide"):
            strategy = self.user_strategy(market.estimates)
        return strategy.copy() if isinstance(strategy, CheckedStrategy) else strategy

    @property
    def _rule_name(self) -> str:
        """Name of a rule, without the suffix for a part that is left out."""
        return self.key.removesuffix(f" without {self.lacks}")

    @property
    def _observation(self) -> Any:
        """Observation function that a policy was trained with, imported if it is a name; None for a built-in one."""
        return (
            import_object(self.observation, "observation")
            if isinstance(self.observation, str)
            else self.observation
        )

    def fingerprint(self, market: str) -> str:
        """Name of the candidate's results on disk, with a hash of weights, tuned parameters and forecaster."""
        if self.is_learned:
            card = self.card
            identity = (
                f"{card.weights_sha256} {card.actions} {card.action_parameters} {card.observes}"
            )
            if self.observation is not None:
                identity += f" {source_mark(self._observation) or self.session}"
        elif self.user_strategy is not None:
            identity = (
                repr(load_named(self.user_strategy))
                if isinstance(self.user_strategy, str)
                else self.session
            )
        else:
            identity = repr(build(self._rule_name, replace(PLACEHOLDER_ESTIMATES, market=market)))
        forecaster_id = "" if self.forecaster is None else self.forecaster.id
        identity += "".join(
            f" {part}" for part in (*self.wrappers, self.lacks, forecaster_id) if part
        )
        slug = "".join(
            letter if letter.isalnum() or letter in "_+-" else "-" for letter in Path(self.key).name
        )
        return f"{slug[:60]}@{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def split_wrappers(text: str) -> tuple[str, tuple[str, ...]]:
    """Split a typed policy into its name and the wrappers behind it; left whole if a word behind a + is no wrapper.

    >>> split_wrappers("default-1+events"), split_wrappers("runs/a+b/policy")
    (('default-1', ('events',)), ('runs/a+b/policy', ()))
    """
    base, *wrappers = text.split("+")
    return (base, tuple(wrappers)) if set(wrappers) <= set(WRAPPERS) else (text, ())


def policies_of(typed: Sequence[str], observations: Sequence[str] = ()) -> list[Candidate]:
    """Candidates for trained policies by typed names or folders, in that order, from their cards alone. Raises for a
    rule, and for a repeated policy.

    Parameters
    ----------
    typed : sequence of str
    observations : sequence of str
        Functions of the user's that policies may observe with, as ``module:name``.

    Raises
    ------
    ConfigError
        One twice, or one with the name of a rule.
    PolicyError, UnknownNameError
        One that does not exist, or whose card does not read.
    """
    candidates = []
    for text in typed:
        base, wrappers = split_wrappers(text)
        folder = resolve_policy(base)
        if base in WRITTEN:
            raise ConfigError("a policy", f"the rule {text}", "name it with `against=`")
        observation = read_card(folder / CARD).observation
        named = [name for name in observations if same_name(observation, name)]
        user_observation = (
            next(iter(named or (observations if len(observations) == 1 else ())), None)
            if is_user_name(observation)
            else None
        )
        candidates.append(
            Candidate(text, str(folder.resolve()), wrappers=wrappers, observation=user_observation)
        )
    if len({(candidate.folder, candidate.wrappers) for candidate in candidates}) != len(candidates):
        raise ConfigError("different policies", f"{', '.join(typed)}", "name each once")
    return candidates


def load_user_strategies(typed: Sequence[str]) -> list[Candidate]:
    """Candidates for the user's strategies, under the names that they give themselves.

    Raises
    ------
    ConfigError, UnknownNameError
        None of that name.
    """
    return [Candidate(load_named(text).name, user_strategy=text) for text in typed]


def refuse_same_names(candidates: Sequence[Candidate]) -> None:
    """Raise for two candidates of one name, or a user's strategy with a built-in name.

    Raises
    ------
    ConfigError
    """
    names = set[str]()
    for candidate in candidates:
        refuse_if(
            candidate.key in names,
            "strategies with different names",
            f"{candidate.key!r} twice",
            "rename one, or leave one out",
        )
        refuse_if(
            candidate.user_strategy is not None and candidate.key in WRITTEN,
            "an own strategy with a name of its own",
            f"{candidate.key!r}, which ships",
            "rename it",
        )
        names.add(candidate.key)


def baselines_of(against: str) -> list[Candidate]:
    """Candidates for the rules to compare with, from names separated by commas or "all"; raises for a policy, or
    without a rule besides `random`.

    Raises
    ------
    UnknownNameError
        No such strategy.
    ConfigError
        A policy, or none that could be the best rule.
    """
    typed = (
        rule
        for name in split_commas(against)
        for rule in (ALL_BASELINES if name == ALL else (name,))
    )
    chosen = list(dict.fromkeys(typed))
    for name in chosen:
        if resolve_packaged(name) in packaged_names():
            raise ConfigError(
                "rules in `against=`",
                f"the policy {name}",
                f"name it among the policies: tercel agent evaluate {name} ..., tercel tca ... `agent={name}`",
            )
        build(name, PLACEHOLDER_ESTIMATES)
    rules = [Candidate(name) for name in chosen]
    if not any(rule.kind == "baseline" for rule in rules):
        raise ConfigError("a rule besides random", f"`against={against}`", "such as `against=all`")
    return rules


def variants_of(policy: Candidate) -> int:
    """Number of variants among which a policy was selected, by its card, its run folder or its sweep.

    A policy of a sweep's trial, or one that was trained with what a sweep found (`guards.sweep` in the `config.json`
    of its run), is the best of as many as lie in the sweep's folder by now.
    """
    if not policy.is_learned:
        return policy.variants
    card = policy.card
    checks = card.learner.get("looks", 1)
    checks = checks if isinstance(checks, int) else 1
    counts: list[Any] = [
        part.get("variants") for part in (card.trained_on, card.learner, card.scores)
    ]
    for folder in (Path(policy.folder), Path(policy.folder).parent):
        for file in sorted(folder.glob("*.json")):
            try:
                content = json.loads(file.read_text())
            except (OSError, ValueError):
                continue
            counts.append(content.get("variants") if isinstance(content, dict) else None)
            counts.append(_count_swept_variants(content, checks))
    counts.append(variants_of_trial(Path(policy.folder).resolve(), checks))
    return max(
        [1, *(count for count in counts if isinstance(count, int) and not isinstance(count, bool))]
    )


def _count_swept_variants(content: Any, checks: int) -> int | None:
    """Number of recipes and checks of the sweep that a training configuration names; None without a sweep."""
    guards = content.get("guards") if isinstance(content, dict) else None
    sweep = guards.get("sweep") if isinstance(guards, dict) else None
    variants = variants_in(Path(sweep)) if isinstance(sweep, str) and sweep else None
    return None if variants is None else variants + checks - 1


def policy_record(policy: Candidate) -> dict[str, object]:
    """Record of a judged policy for the result file: folder, card fields and number of variants."""
    card = policy.card
    keys = ("name", "weights_sha256", "seed", "frames", "trained_on")
    return {
        "folder": policy.folder,
        **{key: getattr(card, key) for key in keys},
        "variants": variants_of(policy),
    }

"""Candidates of an evaluation: policies by name, rules, the user's own, recipes of several seeds."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from tercel.core.errors import ConfigError, TercelError, UnknownNameError, listed
from tercel.execution.foresight.forecaster import Forecaster, spread_alone
from tercel.execution.observation import is_own_name, same_name
from tercel.execution.policies.policy import CARD, Card, read_card
from tercel.execution.policies.strategy import policy_strategy, without
from tercel.execution.policies_packaged import ALL as FAMILY_SUFFIX, family, names, shipped
from tercel.execution.registry import resolve_policy
from tercel.execution.registry.resolve import PACKAGED, POLICY
from tercel.execution.routing import ROUTED
from tercel.execution.strategies import (
    ALL_BASELINES,
    WRAPPERS,
    WRITTEN,
    MarketEstimates,
    build,
    wrap,
)
from tercel.execution.strategy import Strategy, forecaster_of
from tercel.execution.user_strategy import CheckedStrategy, located, mark_of, named, tried
from tercel.lab.evaluation.judge import Kind
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.training_files import variants_in, variants_of_trial
from tercel.market.flow import preset as presets

# -- candidates -----------------------------------------------------------------------------------

ALL = "all"
SPARE = MarketEstimates(expected_volume=1.0, sigma=1.0, eta=1.0)
"""Estimates with which a name is tried before any market is built."""


@dataclass(frozen=True)
class Candidate:
    """One candidate: a row of every table.

    Parameters
    ----------
    key : str
        Name in tables: a rule's, or what was typed for a policy.
    folder : str
        Of a policy; empty for anything else.
    wrappers : tuple of str
        Around a policy (`execution.strategies.WRAPPERS`).
    lacks : str
        The part that is taken from it (`execution.policies.strategy`); "" for none.
    own : str, Strategy or callable, optional
        A user's own strategy: its name (`execution.user_strategy`), an object, or a maker of one from a market's
        estimates.
    """

    key: str
    folder: str = ""
    wrappers: tuple[str, ...] = field(default=(), kw_only=True)
    lacks: str = field(default="", kw_only=True)
    own: Any = field(default=None, compare=False, kw_only=True)
    eyes: Any = field(default=None, compare=False, kw_only=True)
    """The user's observation that a policy was trained with: a function, or as it was named."""
    session: str = field(
        default_factory=lambda: uuid4().hex, compare=False, kw_only=True, repr=False
    )
    """Tells an object of this process from any other."""

    @property
    def learned(self) -> bool:
        """Whether it is a trained policy."""
        return bool(self.folder)

    @property
    def kind(self) -> Kind:
        """Kind of the candidate for the judge; a rule that reads a learned forecast is no rule."""
        if self.learned:
            return "learned"
        if self.own is not None:
            return "own"
        if self.forecaster is not None:
            return "learned"
        return "random" if self.key == "random" else "own" if self.key == ROUTED else "baseline"

    @property
    def forecaster(self) -> Forecaster | None:
        """Forecaster whose learned forecasts it reads; None: none, or not known of a user's own strategy."""
        if self.own is not None:
            return None
        made: Strategy
        if self.learned:
            made = wrap(policy_strategy(Path(self.folder), "", self._eyes), self.wrappers)
        else:
            made = build(self._written, SPARE)
        found = forecaster_of(made)
        return None if found is spread_alone() else found

    @property
    def card(self) -> Card:
        """The card of a policy; of anything else one that says nothing."""
        return read_card(Path(self.folder) / CARD) if self.learned else Card(self.key, (), "", 0)

    def strategy(self, market: BuiltMarket) -> Strategy:
        """The strategy that decides, with what it may know of this market; of a user's object a fresh copy.

        Raises
        ------
        ConfigError
            It has no such part as it is to lack.
        """
        made = self.without(self.lacks, market) if self.lacks else self._whole(market)
        if made is None:
            raise ConfigError(f"a strategy with a {self.lacks}", self.key, "leave the part out")
        return made

    def without(self, part: str, market: BuiltMarket) -> Strategy | None:
        """The strategy without a part; None where it has none."""
        return without(self._whole(market), part)

    def _whole(self, market: BuiltMarket) -> Strategy:
        if self.learned:
            shown = self.key.split("+")[0] if self.wrappers else self.key
            return wrap(policy_strategy(Path(self.folder), shown, self._eyes), self.wrappers)
        if self.own is None:
            return build(self._written, market.estimates)
        own: Strategy = named(self.own) if isinstance(self.own, str) else self.own
        if not hasattr(own, "decide"):
            own = self.own(market.estimates)
        return own.fresh() if isinstance(own, CheckedStrategy) else own

    @property
    def _written(self) -> str:
        """Name of a rule, whatever part it lacks."""
        return self.key.removesuffix(f" without {self.lacks}")

    @property
    def _eyes(self) -> Any:
        return located(self.eyes, "observation") if isinstance(self.eyes, str) else self.eyes

    def fingerprint(self, market: str) -> str:
        """Name of its results on disk: changes with a policy's weights, a rule's tuned parameters, and the forecaster
        that either listens to."""
        if self.learned:
            card = self.card
            identity = (
                f"{card.weights_sha256} {card.actions} {card.action_parameters} {card.observes}"
            )
            if self.eyes is not None:
                identity += f" {mark_of(self._eyes) or self.session}"
        elif self.own is not None:
            identity = repr(named(self.own)) if isinstance(self.own, str) else self.session
        else:
            identity = repr(build(self._written, replace(SPARE, market=market)))
        reads = "" if self.forecaster is None else self.forecaster.id
        identity += "".join(f" {one}" for one in (*self.wrappers, self.lacks, reads) if one)
        plain = "".join(
            letter if letter.isalnum() or letter in "_+-" else "-" for letter in Path(self.key).name
        )
        return f"{plain[:60]}@{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Recipe:
    """Policies that differ in their training seed alone, judged as one row as well.

    Parameters
    ----------
    key : str
        Name in tables.
    members : tuple of str
        Keys of its policies.
    """

    key: str
    members: tuple[str, ...]


def wrapped(text: str) -> tuple[str, tuple[str, ...]]:
    """A policy's name and the wrappers behind it; a folder's path may have a + of its own.

    >>> wrapped("default-1+events"), wrapped("runs/a+b/policy")
    (('default-1', ('events',)), ('runs/a+b/policy', ()))
    """
    base, *wrappers = text.split("+")
    return (base, tuple(wrappers)) if set(wrappers) <= set(WRAPPERS) else (text, ())


def policies_of(typed: Sequence[str], observations: Sequence[str] = ()) -> list[Candidate]:
    """Policies by the names that were typed, in that order.

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
        One that does not exist or cannot be run.
    """
    found = []
    for text in typed:
        base, wrappers = wrapped(text)
        folder = resolve_policy(base)
        if base in WRITTEN:
            raise ConfigError("a policy", f"the rule {text}", "name it with `against=`")
        observation = read_card(folder / CARD).observation
        eyes = next(
            (
                one
                for one in observations
                if is_own_name(observation) and same_name(observation, one)
            ),
            None,
        )
        wrap(
            policy_strategy(folder, text, None if eyes is None else located(eyes, "observation")),
            wrappers,
        )
        found.append(Candidate(text, str(folder.resolve()), wrappers=wrappers, eyes=eyes))
    if len({(one.folder, one.wrappers) for one in found}) != len(found):
        raise ConfigError("different policies", f"{', '.join(typed)}", "name each once")
    return found


def own_of(named_as: Sequence[str]) -> list[Candidate]:
    """The user's strategies, tried on two markets, by the names that they give themselves.

    Raises
    ------
    ConfigError
        None of that name, or one that does not answer for two markets at once.
    """
    return [Candidate(tried(named(text)).name, own=text) for text in named_as]


def refuse_same_names(candidates: Sequence[Candidate]) -> None:
    """Refuse two rows of one name, and an own strategy with a name that means another.

    Raises
    ------
    ConfigError
    """
    names = [one.key for one in candidates]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            "strategies with different names", f"{twice!r} twice", "rename one, or leave one out"
        )
    taken = next(
        (one.key for one in candidates if one.own is not None and one.key in WRITTEN), None
    )
    if taken is not None:
        raise ConfigError(
            "an own strategy with a name of its own", f"{taken!r}, which ships", "rename it"
        )


def baselines_of(against: str) -> list[Candidate]:
    """The rules to compare with: names separated by commas, or all.

    Raises
    ------
    UnknownNameError
        No such strategy.
    ConfigError
        A policy, or none that could be the best rule.
    """
    typed = (one for name in listed(against) for one in (ALL_BASELINES if name == ALL else (name,)))
    chosen = list(dict.fromkeys(typed))
    for name in chosen:
        if shipped(name) in names():
            raise ConfigError(
                "rules in `against=`",
                f"the policy {name}",
                f"name it among the policies: tercel agent evaluate {name} ..., tercel tca ... `agent={name}`",
            )
        build(name, SPARE)
    found = [Candidate(name) for name in chosen]
    if not any(one.kind == "baseline" for one in found):
        raise ConfigError("a rule besides random", f"`against={against}`", "such as `against=all`")
    return found


def recipes_of(policies: Sequence[Candidate]) -> list[Recipe]:
    """Policies of one name, training and decoder, two or more of different training seeds."""
    groups: dict[str, list[tuple[int, str]]] = {}
    names: dict[str, str] = {}
    for one in policies:
        card = one.card
        market = str(card.trained_on.get("market", card.trained_on.get("markets", "")))
        alike = [card.name, card.actions, card.observes, market, card.task, *one.wrappers]
        same = json.dumps(alike, sort_keys=True)
        groups.setdefault(same, []).append((card.seed, one.key))
        names[same] = card.name
    taken = {one.key for one in policies}
    recipes = []
    for same, members in groups.items():
        if len(members) < 2 or len({seed for seed, _ in members}) < len(members):
            continue
        name = free_name(names[same], len(members), taken)
        taken.add(name)
        recipes.append(Recipe(name, tuple(key for _, key in members)))
    return recipes


def free_name(name: str, members: int, taken: Collection[str]) -> str:
    """Name of a row of several policies, with their number where another row has it."""
    return name if name not in {*taken, *WRITTEN} else f"{name} ({members} seeds)"


def variants_of(policy: Candidate) -> int:
    """Number of variants of which this one is the best, by its card, its run's folder or its sweep.

    A policy of a sweep's trial, or one that was trained with what a sweep found (`guards.sweep` in the `config.json`
    of its run), is the best of as many as lie in the sweep's folder by now.
    """
    if not policy.learned:
        return 1
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
            counts.append(_swept(content, checks))
    counts.append(variants_of_trial(Path(policy.folder).resolve(), checks))
    return max([1, *(one for one in counts if isinstance(one, int) and not isinstance(one, bool))])


def _swept(content: Any, checks: int) -> int | None:
    """Number of recipes and validation checks of the sweep that a training's configuration names; None without a
    sweep."""
    guards = content.get("guards") if isinstance(content, dict) else None
    sweep = guards.get("sweep") if isinstance(guards, dict) else None
    found = variants_in(Path(sweep)) if isinstance(sweep, str) and sweep else None
    return None if found is None else found + checks - 1


def policy_record(policy: Candidate) -> dict[str, object]:
    """Record of a judged policy: folder, card fields and number of variants."""
    card, keys = policy.card, ("name", "weights_sha256", "seed", "frames", "trained_on")
    return {
        "folder": policy.folder,
        **{key: getattr(card, key) for key in keys},
        "variants": variants_of(policy),
    }


@dataclass(frozen=True)
class Participants:
    """Candidates of an evaluation by scenario.

    A member of a family is at home in the markets that its card names (`limits["markets"]`). Of those at home in a
    market, the ones with the fewest homes are judged there: they were made for it. Where none is at home, those of a
    market of the same symbol are, else those of the first market, and a note says so. Policies of no family are
    judged everywhere.

    Parameters
    ----------
    policies : list of Candidate
    recipes : list of Recipe
        Rows of several policies: families, and what else differs in its training seed alone.
    teams : mapping of scenario to tuple of Candidate
        The policies that are judged in each.
    notes : list of str
    baselines : list of Candidate
        Rules, judged everywhere.
    """

    policies: list[Candidate]
    recipes: list[Recipe]
    teams: Mapping[str, tuple[Candidate, ...]]
    notes: list[str]
    baselines: list[Candidate] = field(default_factory=list)

    def candidates(self, scenario: str) -> list[Candidate]:
        """Candidates judged in a scenario, policies first."""
        return [*self.teams[scenario], *self.baselines]


def members_of(word: str) -> tuple[str, ...]:
    """The packaged policies that `NAME-all` means, `NAME` where it is one; empty for any other word.

    Raises
    ------
    UnknownNameError
        A word that ends so and means none.

    >>> members_of("default-all"), members_of("default")
    (('default',), ())
    """
    plain, wrappers = wrapped(_plain(word))
    if not plain.endswith(FAMILY_SUFFIX):
        return ()
    found = family(plain.removesuffix(FAMILY_SUFFIX))
    if not found:
        raise UnknownNameError(
            "a family of packaged policies",
            f"{word!r}; packaged: {', '.join(names())}",
            f"such as default{FAMILY_SUFFIX}",
        )
    alone = (plain.removesuffix(FAMILY_SUFFIX),) if len(found) == 1 else found
    return tuple("+".join((one, *wrappers)) for one in alone)


def field_of(
    typed: Sequence[str],
    name: str,
    markets: Mapping[str, Scenario],
    mine: Sequence[Candidate] = (),
    observations: Sequence[str] = (),
    baselines: Sequence[Candidate] = (),
) -> Participants:
    """Participants of an evaluation in these scenarios.

    Parameters
    ----------
    typed : sequence of str
        Policies, and families as `NAME-all`.
    name : str
        If not empty, all that were typed are one family of this name.
    markets : mapping of name to Scenario
    mine : sequence of Candidate
        Strategies of the user; they take part everywhere.
    observations : sequence of str
        Functions of the user's that policies may observe with.
    baselines : sequence of Candidate
        Rules.

    Raises
    ------
    ConfigError, PolicyError, UnknownNameError
        As `policies_of`.
    """
    listed = [one for word in typed for one in (members_of(word) or (word,))]
    found = policies_of(listed, observations)
    by_key = {one.key: one for one in found}
    families = (
        {name: list(found)}
        if name
        else {
            _plain(word).replace(FAMILY_SUFFIX, ""): [by_key[one] for one in members_of(word)]
            for word in typed
            if members_of(word)
        }
    )
    free = [one for one in found if not any(one in members for members in families.values())]
    recipes, notes = recipes_of(free), list[str]()
    found, free = [*found, *mine], [*free, *mine]
    teams = {market: set(free) for market in markets}
    taken = {one.key for one in found} | {one.key for one in recipes}
    for family_name, members in families.items():
        if len(members) == 1 and not name:  # a family of one is its policy
            teams = {market: team | set(members) for market, team in teams.items()}
            continue
        own, sentences = _teams(family_name, members, markets)
        for market, team in own.items():
            teams[market] |= set(team)
        playing = [one.key for one in members if any(one in team for team in own.values())]
        key = free_name(family_name, len(playing), taken)
        taken.add(key)
        recipes.append(Recipe(key, tuple(playing)))
        notes += sentences
    return Participants(
        [one for one in found if any(one in team for team in teams.values())],
        recipes,
        {market: tuple(one for one in found if one in team) for market, team in teams.items()},
        notes,
        list(baselines),
    )


def _plain(word: str) -> str:
    return word.removeprefix(POLICY).removeprefix(PACKAGED)


def _teams(
    name: str, members: Sequence[Candidate], markets: Mapping[str, Scenario]
) -> tuple[dict[str, list[Candidate]], list[str]]:
    """Members of a team by market, and notes on the choice."""
    where = {one.key: one.card.markets for one in members}

    def made_for(names: Collection[str]) -> list[Candidate]:
        here = [one for one in members if set(where[one.key]) & set(names)]
        fewest = min((len(where[one.key]) for one in here), default=0)
        return [one for one in here if len(where[one.key]) == fewest]

    own = {market: made_for([market]) for market in markets}
    first = next(((market, team) for market, team in own.items() if team), None)
    symbols = {home: _symbol(home) for home in {one for homes in where.values() for one in homes}}
    notes = []
    for market, settings in markets.items():
        if not own[market]:
            symbol = (
                settings.market.symbol
                if settings.market.on_tape
                else _symbol(settings.market.preset)
            )
            kin = made_for([home for home, its in symbols.items() if symbol and its == symbol])
            own[market] = kin or (first[1] if first else list(members))
            from_where = f"of {symbol}" if kin else f"of {first[0]}" if first else "of all markets"
            notes.append(
                f"No member of {name} is made for {market}: those {from_where} are judged there."
            )
    return own, notes


def _symbol(market: str) -> str:
    """Whose market a preset is; empty for one that is no longer there."""
    try:
        return presets.load(market).symbol
    except TercelError:
        return ""

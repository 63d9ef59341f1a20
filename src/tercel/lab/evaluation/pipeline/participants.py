"""Participants of an evaluation: which candidates are judged in which scenario, and recipes of several training seeds."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tercel.core.errors import UnknownNameError
from tercel.execution.policies_packaged import ALL as FAMILY_SUFFIX, family, packaged_names
from tercel.execution.registry.resolve import PACKAGED, POLICY
from tercel.execution.strategies import WRITTEN
from tercel.lab.evaluation.pipeline.candidates import Candidate, policies_of, split_wrappers
from tercel.lab.evaluation.pipeline.leaks import find_preset
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow import registry as presets

Recipes = Mapping[str, tuple[str, ...]]
"""Name of a row of several policies -> their keys: they differ in their training seed alone, or are one family."""


def recipes_of(policies: Sequence[Candidate]) -> dict[str, tuple[str, ...]]:
    """Group two or more policies alike in all but the training seed (name, actions, market, task, wrappers) into recipes.

    Policies of which two have one seed are not grouped.
    """
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for policy in policies:
        card = policy.card
        market = str(card.trained_on.get("market", card.trained_on.get("markets", "")))
        shared = [card.actions, card.observes, market, card.task, *policy.wrappers]
        group_key = card.name, json.dumps(shared, sort_keys=True)
        groups.setdefault(group_key, []).append((card.seed, policy.key))
    taken = {policy.key for policy in policies}
    recipes = dict[str, tuple[str, ...]]()
    for (card_name, _), members in groups.items():
        if len(members) < 2 or len({seed for seed, _ in members}) < len(members):
            continue
        name = free_name(card_name, len(members), taken)
        taken.add(name)
        recipes[name] = tuple(key for _, key in members)
    return recipes


def free_name(name: str, members: int, taken: Collection[str]) -> str:
    """Name of a row of several policies, with their number appended if another row or a rule has the name."""
    return name if name not in {*taken, *WRITTEN} else f"{name} ({members} seeds)"


@dataclass(frozen=True)
class Participants:
    """Candidates of an evaluation, and which of them are judged in which scenario.

    A member of a family is at home in the markets that its card names (`limits["markets"]`). Of those at home in a
    market, the ones with the fewest homes are judged there: they were made for it. Where none is at home, those of a
    market of the same symbol are, else those of the first market, and a note says so. Policies of no family are
    judged everywhere.

    Parameters
    ----------
    policies : list of Candidate
    recipes : mapping of row to keys of its policies
        Rows of several policies: families, and what else differs in its training seed alone.
    teams : mapping of scenario to tuple of Candidate
        The policies that are judged in each.
    notes : list of str
    baselines : list of Candidate
        Rules, judged everywhere.
    """

    policies: list[Candidate]
    recipes: Recipes
    teams: Mapping[str, tuple[Candidate, ...]]
    notes: list[str]
    baselines: list[Candidate] = field(default_factory=list)

    def candidates(self, scenario: str) -> list[Candidate]:
        """Candidates judged in a scenario, policies first."""
        return [*self.teams[scenario], *self.baselines]


def members_of(name: str) -> tuple[str, ...]:
    """Packaged policies of the family `NAME-all`; empty for a name without that ending, UnknownNameError for an unknown
    family.

    Raises
    ------
    UnknownNameError
        A word that ends so and means none.

    >>> members_of("default-all"), members_of("default")
    (('default',), ())
    """
    base, wrappers = split_wrappers(_strip_prefix(name))
    if not base.endswith(FAMILY_SUFFIX):
        return ()
    members = family(base.removesuffix(FAMILY_SUFFIX))
    if not members:
        raise UnknownNameError(
            "a family of packaged policies",
            f"{name!r}; packaged: {', '.join(packaged_names())}",
            f"such as default{FAMILY_SUFFIX}",
        )
    policies = (base.removesuffix(FAMILY_SUFFIX),) if len(members) == 1 else members
    return tuple("+".join((policy, *wrappers)) for policy in policies)


def select_participants(
    typed: Sequence[str],
    name: str,
    markets: Mapping[str, Scenario],
    user_strategies: Sequence[Candidate] = (),
    observations: Sequence[str] = (),
    baselines: Sequence[Candidate] = (),
) -> Participants:
    """Policies, recipes, user strategies and rules that take part in each scenario.

    Parameters
    ----------
    typed : sequence of str
        Policies, and families as `NAME-all`.
    name : str
        If not empty, all that were typed are one family of this name.
    markets : mapping of name to Scenario
    user_strategies : sequence of Candidate
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
    if not typed:
        own = list(user_strategies)
        return Participants(own, {}, dict.fromkeys(markets, tuple(own)), [], list(baselines))
    policy_names = [policy for word in typed for policy in (members_of(word) or (word,))]
    candidates = policies_of(policy_names, observations)
    by_key = {candidate.key: candidate for candidate in candidates}
    families = (
        {name: list(candidates)}
        if name
        else {
            _strip_prefix(word).replace(FAMILY_SUFFIX, ""): [
                by_key[policy] for policy in members_of(word)
            ]
            for word in typed
            if members_of(word)
        }
    )
    single_policies = [
        candidate
        for candidate in candidates
        if not any(candidate in members for members in families.values())
    ]
    recipes = recipes_of(single_policies)
    notes = list[str]()
    candidates = [*candidates, *user_strategies]
    single_policies = [*single_policies, *user_strategies]
    teams = {market: set(single_policies) for market in markets}
    taken = {row.key for row in candidates} | {*recipes}
    for family_name, members in families.items():
        if len(members) == 1 and not name:  # a family of one is its policy
            teams = {market: team | set(members) for market, team in teams.items()}
            continue
        family_teams, sentences = _teams(family_name, members, markets)
        for market, team in family_teams.items():
            teams[market] |= set(team)
        judged_members = [
            member.key
            for member in members
            if any(member in team for team in family_teams.values())
        ]
        key = free_name(family_name, len(judged_members), taken)
        taken.add(key)
        recipes[key] = tuple(judged_members)
        notes += sentences
    return Participants(
        [
            candidate
            for candidate in candidates
            if any(candidate in team for team in teams.values())
        ],
        recipes,
        {
            market: tuple(candidate for candidate in candidates if candidate in team)
            for market, team in teams.items()
        },
        notes,
        list(baselines),
    )


def _strip_prefix(name: str) -> str:
    """Name of a policy without the prefixes `POLICY` and `PACKAGED`."""
    return name.removeprefix(POLICY).removeprefix(PACKAGED)


def _teams(
    name: str, members: Sequence[Candidate], markets: Mapping[str, Scenario]
) -> tuple[dict[str, list[Candidate]], list[str]]:
    """Members of a family by market, those trained for the market where there are any, and notes on the choice."""
    home_markets = {member.key: member.card.markets for member in members}

    def made_for(names: Collection[str]) -> list[Candidate]:
        """Members trained in one of these markets, those with the fewest training markets alone."""
        at_home = [member for member in members if set(home_markets[member.key]) & set(names)]
        fewest = min((len(home_markets[member.key]) for member in at_home), default=0)
        return [member for member in at_home if len(home_markets[member.key]) == fewest]

    teams = {market: made_for([market]) for market in markets}
    fallback = next(((market, team) for market, team in teams.items() if team), None)
    symbols = {
        home: preset.symbol
        for home in {market for homes in home_markets.values() for market in homes}
        if (preset := find_preset(home)) is not None
    }
    notes = []
    for market, scenario in markets.items():
        if not teams[market]:
            symbol = (
                scenario.market.symbol
                if scenario.market.on_tape
                else presets.load(scenario.market.preset).symbol
            )
            same_symbol = made_for(
                [home for home, home_symbol in symbols.items() if symbol and home_symbol == symbol]
            )
            teams[market] = same_symbol or (fallback[1] if fallback else list(members))
            origin = (
                f"of {symbol}"
                if same_symbol
                else f"of {fallback[0]}"
                if fallback
                else "of all markets"
            )
            notes.append(
                f"No member of {name} is made for {market}: those {origin} are judged there."
            )
    return teams, notes

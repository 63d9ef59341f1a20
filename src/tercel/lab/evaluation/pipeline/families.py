"""Families: policies of several training seeds and markets that are judged as one, each where it is at home.

A member is at home in the markets that its card names (`limits["markets"]`). Of those at home in a market, the ones
with the fewest homes play there: they were made for it. Where none is at home, those of a market of the same symbol
play, else those of the first market, and it is said. What belongs to no family takes part everywhere.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tercel.core.errors import TercelError, UnknownNameError
from tercel.execution.policies_packaged import ALL, family, names
from tercel.execution.registry.resolve import PACKAGED, POLICY
from tercel.lab.evaluation.pipeline.candidates import (
    Candidate,
    Recipe,
    free_name,
    policies_of,
    recipes_of,
    wrapped,
)
from tercel.lab.evaluation.settings import MarketTask
from tercel.market.flow import preset as presets


@dataclass(frozen=True)
class Participants:
    """Candidates of an evaluation by market.

    Parameters
    ----------
    policies : list of Candidate
    recipes : list of Recipe
        Rows of several policies: families, and what else differs in its training seed alone.
    teams : mapping of market to tuple of Candidate
        The policies that are judged in each.
    notes : list of str
    """

    policies: list[Candidate]
    recipes: list[Recipe]
    teams: Mapping[str, tuple[Candidate, ...]]
    notes: list[str]


def members_of(word: str) -> tuple[str, ...]:
    """The packaged policies that `NAME-all` stands for, `NAME` where it is one; empty for any other word.

    Raises
    ------
    UnknownNameError
        A word that ends so and stands for none.

    >>> members_of("default-all"), members_of("default")
    (('default',), ())
    """
    plain, wrappers = wrapped(_plain(word))
    if not plain.endswith(ALL):
        return ()
    found = family(plain.removesuffix(ALL))
    if not found:
        raise UnknownNameError(
            "a family of packaged policies",
            f"{word!r}; packaged: {', '.join(names())}",
            f"such as default{ALL}",
        )
    alone = (plain.removesuffix(ALL),) if len(found) == 1 else found
    return tuple("+".join((one, *wrappers)) for one in alone)


def field_of(
    typed: Sequence[str],
    name: str,
    markets: Mapping[str, MarketTask],
    mine: Sequence[Candidate] = (),
    observations: Sequence[str] = (),
) -> Participants:
    """Participants of an evaluation in these markets.

    Parameters
    ----------
    typed : sequence of str
        Policies, and families as `NAME-all`.
    name : str
        If not empty, all that were typed are one family of this name.
    markets : mapping of name to MarketTask
    mine : sequence of Candidate
        Strategies of the user; they take part everywhere.
    observations : sequence of str
        Functions of the user's that policies may observe with.

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
            _plain(word).replace(ALL, ""): [by_key[one] for one in members_of(word)]
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
    )


def _plain(word: str) -> str:
    return word.removeprefix(POLICY).removeprefix(PACKAGED)


def _teams(
    name: str, members: Sequence[Candidate], markets: Mapping[str, MarketTask]
) -> tuple[dict[str, list[Candidate]], list[str]]:
    """Market -> the members that play there; what is to be said of it."""
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

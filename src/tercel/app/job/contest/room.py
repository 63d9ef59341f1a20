"""Written strategies whose own orders found no room: left out of a contest, and named.

The market holds a fixed number of resting orders of the strategy's; an episode in which one found no place is not the
strategy's any more, and cannot be judged. On tapes whose orders are large, a rule that spreads over many prices gets
there. One such episode takes the rule out of every place of the contest: leaving out the episode alone would judge
everybody on episodes chosen by what one of them did. A learned policy is not left out; the judge refuses it.
"""

from collections.abc import Iterable, Sequence

from tercel.app.job.contest.cells import Judged
from tercel.app.job.contest.contenders import Contender
from tercel.app.job.contest.held import Contest


def without_the_cramped(contest: Contest) -> Contest:
    """A contest without the written strategies that overflowed in any of its places, and a note for each.

    Raises
    ------
    ConfigError
        None is left that could be the best written one.
    """
    found = cramped(contest.places, contest.baselines)
    return contest.without(found, list(found.values())) if found else contest


def cramped(places: Iterable[Judged], baselines: Sequence[Contender]) -> dict[str, str]:
    """Written strategies whose orders found no room, each with a sentence that says where."""
    found: dict[str, str] = {}
    for judged in places:
        for one in baselines:
            costs = judged.costs.get(one.key)
            if one.key in found or costs is None or not costs.overflow.any():
                continue
            where = f"{int((costs.overflow > 0).sum())} of {len(costs)} episodes of {judged.place.name}"
            found[one.key] = f"{one.key} is left out: its own orders found no room in {where}"
    return found

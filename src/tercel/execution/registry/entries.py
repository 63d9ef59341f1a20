"""Entries of a registry of policies, whatever stores them."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.serialization import Record, parse_json

# -- entries --------------------------------------------------------------------------------------

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
LATEST: Final = "latest"
# What a version can be promoted to; `latest` follows by itself.
ALIASES: Final = (CHAMPION, CHALLENGER)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Version:
    """One policy under a name; its files never change.

    Parameters
    ----------
    name : str
    number : int
        From 1.
    weights_sha256, observation_hash : str
        Of its card.
    registered, by : str
        When and by whom; the caller's words.
    source : str
        Folder that it was copied from.
    note : str
    """

    name: str
    number: int
    weights_sha256: str
    observation_hash: str
    registered: str = ""
    by: str = ""
    source: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """The version as commands take it, `name@number`.

        >>> Version("csco", 3, "", "").label
        'csco@3'
        """
        return f"{self.name}@{self.number}"


@dataclass(frozen=True)
class Promotion:
    """A promotion of a version to champion or challenger, with its evidence or reason."""

    alias: str
    number: int
    # The version that had the alias; 0: none.
    before: int
    why: str
    at: str = ""
    by: str = ""


@dataclass(frozen=True)
class RegistryEntry:
    """A name with its versions, oldest first."""

    name: str
    versions: tuple[Version, ...] = ()
    aliases: tuple[tuple[str, int], ...] = ()
    promotions: tuple[Promotion, ...] = ()

    def find(self, which: str) -> Version:
        """The version called `which`: a number, an alias, `latest`, or "" for the champion.

        Raises
        ------
        PolicyError
            If there is no such version.
        """
        known = dict(self.aliases)
        if not which:
            which = CHAMPION if CHAMPION in known else LATEST
        number = known.get(which, 0)
        if which == LATEST and self.versions:
            number = self.versions[-1].number
        elif which.isdecimal():
            number = int(which)
        for version in self.versions:
            if version.number == number:
                return version
        have = ", ".join(
            [
                *(f"{self.name}@{v.number}" for v in self.versions),
                *(f"{self.name}@{a}" for a in known),
            ]
        )
        missing = which in (*ALIASES, LATEST)
        remedy = (
            f"tercel agent promote {self.name}@VERSION `to={which}` makes one"
            if missing
            else "name one of them"
        )
        raise PolicyError(
            f"a version of {self.name!r}: {have or 'none is registered'}",
            f"{self.name}@{which}",
            remedy,
        )


class Registry(Protocol):
    """Port of a registry of policies."""

    @property
    def where(self) -> str:
        """Its folder or URL, as :func:`open_registry` takes it."""

    def entries(self) -> list[RegistryEntry]:
        """All names, sorted."""

    def entry(self, name: str) -> RegistryEntry:
        """One name; without versions when nothing is registered under it."""

    def register(
        self, folder: Path, name: str, *, note: str = "", at: str = "", by: str = ""
    ) -> Version:
        """Keep the policy in `folder` as the next version of `name`; the same policy again is the version it has."""

    def promote(
        self, name: str, which: str, alias: str, *, why: str, at: str = "", by: str = ""
    ) -> Promotion:
        """Make a version champion or challenger; nothing else changes."""

    def folder(self, version: Version) -> Path:
        """The version's files, checked against the hash that it was registered with."""


def checked_name(name: str) -> str:
    """`name` if it can be one.

    Raises
    ------
    ConfigError
        Otherwise: it becomes a folder's name and comes before an @.

    >>> checked_name("csco-ppo")
    'csco-ppo'
    """
    refuse_if(
        not _NAME.fullmatch(name),
        "a name of letters, digits, '.', '_' and '-' (64 at most)",
        repr(name),
        "such as `name=csco-ppo`",
    )
    return name


def checked_alias(alias: str) -> str:
    """`alias` if versions can be promoted to it.

    Raises
    ------
    ConfigError
        Otherwise.
    """
    refuse_if(
        alias not in ALIASES,
        f"one of {', '.join(ALIASES)}",
        repr(alias),
        f"such as `to={CHALLENGER}`",
    )
    return alias


# -- evidence -------------------------------------------------------------------------------------
# What a promotion rests on: the paired gain of one policy in the file of an evaluation.


@dataclass(frozen=True)
class Gain(Record):
    """Cost saved against another strategy on the same episodes, bps, with its 95 % interval."""

    over: str
    mean: float
    ci_low: float
    ci_high: float

    @property
    def text(self) -> str:
        """The gain as a phrase for people.

        >>> Gain("twap_take", 1.5, 0.25, 2.75).text
        '+1.50 [+0.25, +2.75] bps over twap_take'
        """
        return f"{self.mean:+.2f} [{self.ci_low:+.2f}, {self.ci_high:+.2f}] bps over {self.over}"

    def json_fields(self) -> dict[str, object]:
        """JSON fields of the gain, with the phrase :attr:`text` as `told`."""
        return {**super().json_fields(), "told": self.text}


@dataclass(frozen=True)
class JudgedWeights(Record):
    """Which weights a policy was judged with."""

    weights_sha256: str | None = None


@dataclass(frozen=True)
class PromotionEvidence(Record):
    """Evidence for a promotion from an evaluation: a policy's gains over the best baseline and over each opponent."""

    paired_vs_best_baseline: Mapping[str, Estimate]
    best_baseline: str = "the benchmark"
    paired: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    policies: Mapping[str, JudgedWeights] = field(default_factory=dict)


def read_evaluation(path: Path) -> PromotionEvidence:
    """The JSON object that an evaluation printed.

    Raises
    ------
    ConfigError
        For a file that is none.
    """
    remedy = "write one: tercel agent evaluate POLICY `against=all` `json=True`, into a file"
    try:
        return PromotionEvidence.from_json(parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError("the JSON of an evaluation", f"{path}: {error}", remedy) from error


def judged_as(evaluation: PromotionEvidence, version: Version) -> str:
    """The name under which an evaluation judged the weights of `version`.

    Raises
    ------
    PolicyError
        When it did not.
    """
    judged = list(evaluation.paired_vs_best_baseline)
    hashes = {name: facts.weights_sha256 for name, facts in evaluation.policies.items()}
    by_weights = [name for name in judged if hashes.get(name) == version.weights_sha256]
    if not by_weights:
        raise PolicyError(
            f"an evaluation of {version.label} (weights {version.weights_sha256[:16]})",
            f"one of {', '.join(judged) or 'no policy'}",
            f"tercel agent evaluate {version.label} `against=all` `json=True` makes it",
        )
    return by_weights[0]


def gains(
    evaluation: PromotionEvidence, policy: str, opponents: Collection[str] = ()
) -> list[Gain]:
    """The gain over the best baseline, and over each of `opponents` that was judged beside it.

    Raises
    ------
    ConfigError
        For a gain without an interval.
    """
    best, beside = evaluation.best_baseline, evaluation.paired.get(policy, {})
    found = [_gain(best, evaluation.paired_vs_best_baseline[policy])]
    return found + [
        _gain(name, beside[name]) for name in opponents if name in beside and name != best
    ]


def _gain(over: str, found: Estimate) -> Gain:
    low, high = found.ci_low, found.ci_high
    if low is None or high is None or not math.isfinite(found.mean + low + high):
        raise ConfigError(
            f"a gain over {over} with its interval",
            repr(found),
            "judge more episodes: an interval wants two clusters",
        )
    return Gain(over, found.mean, low, high)


def proven(entry: RegistryEntry, version: Version, evidence: Path) -> list[Gain]:
    """Gains that support a promotion: over the best baseline, and over the champion if judged beside it.

    Raises
    ------
    ConfigError
        When an interval does not lie above 0.
    """
    evaluation = read_evaluation(evidence)
    policy = judged_as(evaluation, version)
    champion = dict(entry.aliases).get("champion", 0)
    rivals = (
        [f"{entry.name}@{champion}", f"{entry.name}@champion"]
        if champion not in (0, version.number)
        else []
    )
    found = gains(evaluation, policy, rivals)
    for gain in found:
        refuse_if(
            gain.ci_low <= 0,
            "a paired gain whose interval lies above 0",
            f"{gain.text} in {evidence}",
            "train a better one, judge more episodes, or promote it for a `reason=` and no evidence",
        )
    return found

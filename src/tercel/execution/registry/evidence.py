"""Evidence for a promotion: gains that an evaluation measured, and whether they support the version."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.records import Record
from tercel.execution.registry.entries import RegistryEntry, Version


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
    """Hash of the weights that a policy was judged with."""

    weights_sha256: str | None = None


@dataclass(frozen=True)
class PromotionEvidence(Record):
    """Part of an evaluation that supports a promotion: gains over the best baseline and over each opponent."""

    paired_vs_best_baseline: Mapping[str, Estimate]
    best_baseline: str = "the benchmark"
    paired: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    policies: Mapping[str, JudgedWeights] = field(default_factory=dict)


def read_evaluation(path: Path) -> PromotionEvidence:
    """Read the JSON file that an evaluation printed; ConfigError if it is none.

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


def judged_name(evaluation: PromotionEvidence, version: Version) -> str:
    """Name under which an evaluation judged a version's weights, found by their hash; PolicyError if it did not.

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
    """Gains of a policy over the best baseline, first, and over each of `opponents` that the evaluation compared it with.

    Raises
    ------
    ConfigError
        For a gain without an interval.
    """
    best = evaluation.best_baseline
    paired = evaluation.paired.get(policy, {})
    best_gain = [_gain(best, evaluation.paired_vs_best_baseline[policy])]
    return best_gain + [
        _gain(name, paired[name]) for name in opponents if name in paired and name != best
    ]


def _gain(over: str, estimate: Estimate) -> Gain:
    """The gain over an opponent `over`; ConfigError without a finite interval."""
    low = estimate.ci_low
    high = estimate.ci_high
    if low is None or high is None or not math.isfinite(estimate.mean + low + high):
        raise ConfigError(
            f"a gain over {over} with its interval",
            repr(estimate),
            "judge more episodes: an interval wants two clusters",
        )
    return Gain(over, estimate.mean, low, high)


def supporting_gains(entry: RegistryEntry, version: Version, evidence: Path) -> list[Gain]:
    """Paired gains, over the best baseline and the champion, that support a promotion; ConfigError if an interval
    reaches 0, PolicyError if the version was not judged.

    Raises
    ------
    ConfigError
        When an interval does not lie above 0.
    """
    evaluation = read_evaluation(evidence)
    policy = judged_name(evaluation, version)
    champion = dict(entry.aliases).get("champion", 0)
    rivals = (
        [f"{entry.name}@{champion}", f"{entry.name}@champion"]
        if champion not in (0, version.number)
        else []
    )
    supporting = gains(evaluation, policy, rivals)
    for gain in supporting:
        refuse_if(
            gain.ci_low <= 0,
            "a paired gain whose interval lies above 0",
            f"{gain.text} in {evidence}",
            "train a better one, judge more episodes, or promote it for a `reason=` and no evidence",
        )
    return supporting

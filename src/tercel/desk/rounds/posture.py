"""Posture of a desk: the risk rules it follows, and when two postures constrain agents alike."""

from dataclasses import replace

from tercel.core.messages import Posture
from tercel.signals.risk.posture import DEFAULT_RULES, PostureConfig, PostureDemand, finish_early


def stance(posture: Posture) -> tuple[float, float, int, float]:
    """A posture without its time and reasons: the part that agents observe."""
    return posture.urgency, posture.max_participation, posture.styles, posture.size_multiplier


def desk_rules() -> PostureConfig:
    """The desk's risk rules: sizes shrink under anomalies, and open parents are finished early.

    Measured (`python -m studies worth posture`): caps on what is at work make the tail of cost worse when depth goes,
    because the horizon takes what is left in a thin book; haste while there is depth cuts it. What trading has cost
    shrinks no sizes: a desk that waits because it is dear waits longest in the trend that makes it dear.
    """
    sizes = tuple(
        replace(rule, asks=PostureDemand(size_multiplier=rule.asks.size_multiplier))
        for rule in DEFAULT_RULES
        if rule.asks.size_multiplier < 1 and rule.watches != "cost_ratio"
    )
    early = tuple(replace(rule, name=f"{rule.name}: finish early") for rule in finish_early().rules)
    return PostureConfig(rules=(*sizes, *early))

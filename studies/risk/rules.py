"""A table of rules for the posture that studies compare with: haste alone."""

from tercel.signals.risk import PostureConfig, early_rules


def finish_early(
    urgency: float = 0.9, volatility: float = 2.5, depth: float = 0.55
) -> PostureConfig:
    """Posture rules that finish early: haste and no caps once volatility is up or depth is going.

    The thresholds and the urgency were chosen in the default market on episodes that nothing is judged on: lower
    thresholds sound in calm, and a lower urgency stays in too long.
    """
    return PostureConfig(
        early_rules(urgency, volatility, depth), ("volatility_ratio", "depth_ratio")
    )

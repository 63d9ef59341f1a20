from tercel.market.regimes.choice import chosen as chosen
from tercel.market.regimes.law import (
    LONGEST_S as LONGEST_S,
    NAMED as NAMED,
    PLAIN as PLAIN,
    TRENDING as TRENDING,
    Factors as Factors,
    RegimeScript as RegimeScript,
    with_regimes as with_regimes,
)

__all__ = [
    "LONGEST_S",
    "NAMED",
    "PLAIN",
    "TRENDING",
    "Factors",
    "RegimeScript",
    "chosen",
    "with_regimes",
]

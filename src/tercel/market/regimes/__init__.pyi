from tercel.market.regimes.choice import parse_regimes as parse_regimes
from tercel.market.regimes.law import LONGEST_S as LONGEST_S
from tercel.market.regimes.named import NAMED as NAMED
from tercel.market.regimes.named import PLAIN as PLAIN
from tercel.market.regimes.named import TRENDING as TRENDING
from tercel.market.regimes.named import Factors as Factors
from tercel.market.regimes.law import RegimeScript as RegimeScript
from tercel.market.regimes.law import with_regimes as with_regimes

__all__ = [
    "LONGEST_S",
    "NAMED",
    "PLAIN",
    "TRENDING",
    "Factors",
    "RegimeScript",
    "parse_regimes",
    "with_regimes",
]

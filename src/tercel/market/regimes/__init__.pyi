from tercel.market.regimes.choice import chosen as chosen
from tercel.market.regimes.law import LONGEST_S as LONGEST_S
from tercel.market.regimes.law import NAMED as NAMED
from tercel.market.regimes.law import PLAIN as PLAIN
from tercel.market.regimes.law import TRENDING as TRENDING
from tercel.market.regimes.law import Factors as Factors
from tercel.market.regimes.law import RegimeScript as RegimeScript
from tercel.market.regimes.law import with_regimes as with_regimes

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

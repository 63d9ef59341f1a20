"""What the field says of families, decided on rows of real books; numbers are by day, of costs by horizon.

Rules were written when cells of 1,000 rows, and those of 10,000 at 10 s, had been seen on IBM. Where a family
is held against the best of several, that one is the best over all days; the difference is then paired by day.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from studies.families.claims import Cells, Claim, Verdict, judge
from studies.families.sequences import GATED, LAID, MEAN, MEAN_OF
from studies.zoo import SEQUENCES, SVM_LINEAR, SVM_RBF

Rows = Sequence[Mapping[str, Any]]
MOMENT = ("linear", "forest", "boosting", SVM_LINEAR.name, SVM_RBF.name)
PLAIN = ("linear", "forest", "boosting", SVM_LINEAR.name)
"""Kinds whose loss to few rows a network's is held against."""
COSTS = "all"


def of_days(rows: Rows) -> list[dict[str, Any]]:
    """Cells as claims have them: a line a cell and day."""
    return [
        {**_of(one, f"{one['horizon']} s"), "seed": at, **{key: day[key] for key in ("r2", "auc", "ece")}}
        for one in rows for at, day in enumerate(one["by_day"])
    ]  # fmt: skip


def of_costs(rows: Rows) -> list[dict[str, Any]]:
    """What cells took: a line a cell, horizons in the place of days."""
    return [
        {**_of(one, COSTS), "seed": one["horizon"], "fit_s": one["fit_s"]}
        for one in rows
        if one["fit_s"]
    ]


def _of(one: Mapping[str, Any], problem: str) -> dict[str, Any]:
    return {"problem": problem, "family": one["family"], "rows": one["rows"], "noise": 0.0}


def verdicts(rows: Rows, base: int) -> list[Verdict]:
    """Each claim on measured cells, the ordinary ones being those of `base` rows, which is ten times a power of ten."""
    problems = tuple(dict.fromkeys(f"{one['horizon']} s" for one in rows))
    return judge(of_days(rows), base, _skill(rows, base, problems)) + judge(
        of_costs(rows), base, _costs()
    )


def best(rows: Rows, base: int, names: Sequence[str], key: str = "r2") -> str:
    """The family with the best mean over horizons and days; the first where none was run."""
    found = {
        name: [one[key] for one in rows if (one["family"], one["rows"]) == (name, base) and one[key] is not None]
        for name in names
    }  # fmt: skip
    return max(names, key=lambda name: float(np.mean(found[name])) if found[name] else -math.inf)


def _skill(rows: Rows, base: int, problems: Sequence[str]) -> list[Claim]:
    def of(c: Cells, key: str, name: str, times: float = 1.0) -> float:
        return float(np.mean([c(key, problem, name, times=times) for problem in problems]))

    def less(
        name: str, other: str, times: float = 1.0, key: str = "r2"
    ) -> Callable[[Cells], float]:
        return lambda c: of(c, key, name, times) - of(c, key, other, times)

    def lost(c: Cells, name: str) -> float:
        return of(c, "auc", name) - of(c, "auc", name, 1_000 / base)

    def hungrier(name: str, c: Cells) -> float:
        return lost(c, name) - float(np.mean([lost(c, one) for one in PLAIN]))

    def rival(name: str, names: Sequence[str], size: int = base) -> str:
        return best(rows, size, [one for one in names if one != name])

    part, laid = best(rows, base, MEAN_OF), best(rows, base, LAID)
    few = rival("forest", (*MOMENT, *SEQUENCES), 1_000)
    other, moment = rival("boosting", (*MOMENT, *SEQUENCES)), best(rows, base, MOMENT)
    at = f"R² at {base:,} rows less"
    found = [
        Claim("boosting", "sees what a line does not", "Friedman (2001)", f"{at} linear's", less("boosting", "linear")),
        Claim("forest", "sees what a line does not", "Breiman (2001)", f"{at} linear's", less("forest", "linear")),
        Claim(
            SVM_RBF.name, "sees what a line does not", "Cortes & Vapnik (1995)", "R² at 10,000 rows less linear's",
            less(SVM_RBF.name, "linear", 10_000 / base),
        ),
        Claim(
            "boosting", "best on tabular data", "Grinsztajn, Oyallon & Varoquaux (2022)", f"{at} {other}'s",
            less("boosting", other),
        ),
        Claim(
            "forest", "robust where labels are noise and rows few", "Breiman (2001), section 8",
            f"R² at 1,000 rows less {few}'s", less("forest", few, 1_000 / base),
        ),
        Claim(
            "forest", "chances pulled to the middle", "Niculescu-Mizil & Caruana (2005)",
            "its calibration error less that of logistic regression", less("forest", "linear", 1.0, "ece"),
        ),
        Claim(
            SVM_LINEAR.name, "as good as logistic regression", "Hastie, Tibshirani & Friedman (2009), ch. 12",
            "0.01 less the distance of their AUCs",
            lambda c: 0.01 - abs(less(SVM_LINEAR.name, "linear", 1.0, "auc")(c)),
        ),
        Claim(
            GATED, "a regime gate pays", "Ang & Timmermann (2012); Jacobs et al. (1991)", f"{at} linear's",
            less(GATED, "linear"),
        ),
        Claim(
            MEAN, "not worse than its best part", "Breiman (1996); Wolpert (1992)", f"0.002 plus {at} {part}'s",
            lambda c: 0.002 + less(MEAN, part)(c),
        ),
        Claim(MEAN, "better than its best part", "Breiman (1996); Wolpert (1992)", f"{at} {part}'s", less(MEAN, part)),
    ]  # fmt: skip
    for name in SEQUENCES:
        found += [
            Claim(
                name, "captures sequence", "Fischer & Krauss (2018)", f"{at} {laid}'s, which has the same seconds flat",
                less(name, laid),
            ),
            Claim(
                name, "the seconds before are worth reading", "Fischer & Krauss (2018)",
                f"{at} {moment}'s, which has one moment", less(name, moment),
            ),
            Claim(
                name, "needs much data", "Makridakis, Spiliotis & Assimakopoulos (2018)",
                f"AUC lost from {base:,} to 1,000 rows, less the mean loss of {', '.join(PLAIN)}",
                partial(hungrier, name),
            ),
        ]  # fmt: skip
    return found


def _costs() -> list[Claim]:
    def doublings(c: Cells, name: str, other: str) -> float:
        return math.log2(c("fit_s", COSTS, name) / c("fit_s", COSTS, other))

    def slower(name: str, c: Cells) -> float:
        return doublings(c, name, "boosting") - 1.0

    def power(c: Cells) -> float:
        few, many = (
            c("fit_s", COSTS, SVM_RBF.name, times=rows / c.rows) for rows in (1_000, 10_000)
        )
        return math.log10(many / few) - 1.3

    quick = (*MOMENT[1:], *SEQUENCES)
    return [
        Claim(
            "linear", "fastest to train", "Hastie, Tibshirani & Friedman (2009), ch. 3",
            "doublings of the quickest other family's time to fit, over linear's",
            lambda c: min(doublings(c, name, "linear") for name in quick),
        ),
        Claim(
            SVM_RBF.name, "does not scale", "Bottou & Lin (2007)",
            "power with which its time grows from 1,000 to 10,000 rows, less 1.3", power,
        ),
        *(
            Claim(
                name, "slow to train", "Makridakis, Spiliotis & Assimakopoulos (2018), figure 7",
                "doublings of boosting's time to fit, less 1", partial(slower, name),
            )
            for name in SEQUENCES
        ),
    ]  # fmt: skip

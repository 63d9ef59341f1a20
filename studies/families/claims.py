"""What the field says of model families, as rules that cells decide.

Each claim is a number per seed that is positive where the claim holds; margins are part of the rule. The rules were
written after one exploratory run, with seed 1, had been seen: a verdict counts on other seeds. The problems are our own
and most were made to hold what a claim speaks of, so a verdict speaks of these problems and of nothing else. Over the
seeds: *confirmed* when the 95 % interval lies above 0, *refuted* when it lies below, *open* when it holds 0 or there is
a single seed, *absent* when a family it speaks of is not installed.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from studies.families.cells import GATED, STACK_OF, STACKED
from tercel.core.stats import weighted_interval

TABULAR = ("linear", "interaction", "mixed")
SEQUENCE = ("filter", "gated")
TREES_AND_KERNELS = ("forest", "boosting", "svm_rbf")
FLAT = ("linear", "forest", "boosting", "svm_linear", "svm_rbf")
NETS = ("lstm", "transformer")
SINGLE = (*FLAT, *NETS)


class MissingCell(Exception):  # noqa: N818 - no error: a cell that was not run
    """A cell that a claim needs and that is not there."""


@dataclass(frozen=True)
class Cells:
    """Measured cells of one seed, by (problem, family, rows, noise).

    Parameters
    ----------
    found : mapping
    rows : int
        Rows of the ordinary cells.
    """

    found: Mapping[tuple[str, str, int, float], Mapping[str, Any]]
    rows: int

    def __call__(
        self, key: str, problem: str, family: str, noise: float = 0.0, times: float = 1.0
    ) -> float:
        """A measure of a cell; with `times` as many rows as usual.

        Raises
        ------
        Absent
            When the cell was not run.
        """
        value = self.found.get((problem, family, round(self.rows * times), noise), {}).get(key)
        if value is None:
            raise MissingCell(f"{key} of {family} on {problem}")
        return float(value)

    def have(self, families: Iterable[str], problem: str) -> list[str]:
        """Those of the families that were run on a problem."""
        return [name for name in families if (problem, name, self.rows, 0.0) in self.found]

    def share(self, family: str, problems: Sequence[str], **how: float) -> float:
        """Mean share of the oracle's skill over problems."""
        return float(np.mean([self("share", problem, family, **how) for problem in problems]))


@dataclass(frozen=True)
class Claim:
    """Something the field says.

    Parameters
    ----------
    family, text, source : str
    rule : str
        What the number is, in words; positive where the claim holds.
    number : callable
        ``number(cells of one seed) -> float``.
    """

    family: str
    text: str
    source: str
    rule: str
    number: Callable[[Cells], float]


@dataclass(frozen=True)
class Verdict:
    """A claim, judged."""

    family: str
    text: str
    source: str
    rule: str
    verdict: str
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    seeds: int


def _others_best(
    cells: Cells, family: str, others: Sequence[str], problems: Sequence[str]
) -> float:
    """The family's share less the best other's, over problems that they share."""
    rivals = [
        name for name in others if name != family and all(cells.have([name], p) for p in problems)
    ]
    if not rivals:
        raise MissingCell("no rival")
    return cells.share(family, problems) - max(cells.share(name, problems) for name in rivals)


def _lost_to_noise(cells: Cells, family: str) -> float:
    """Share lost on `mixed` to 20 and 40 % of flipped labels."""
    kept = [cells("share", "mixed", family, noise=noise) for noise in (0.2, 0.4)]
    return cells("share", "mixed", family) - float(np.mean(kept))


def _steadier(cells: Cells) -> float:
    """What the other families lose to noise, on average, less what a forest loses."""
    rivals = [name for name in cells.have(SINGLE, "mixed") if name != "forest"]
    if not rivals:
        raise MissingCell("no rival")
    return float(np.mean([_lost_to_noise(cells, name) for name in rivals])) - _lost_to_noise(
        cells, "forest"
    )


def _doublings(cells: Cells, family: str, other: str) -> float:
    """log2 of how many times longer one takes to fit than another, mean over problems that both were run on."""
    problems = [
        p for p in (*TABULAR, *SEQUENCE) if cells.have([family, other], p) == [family, other]
    ]
    if not problems:
        raise MissingCell(f"{family} and {other}")
    ratios = [cells("fit_s", p, family) / max(cells("fit_s", p, other), 1e-9) for p in problems]
    return float(np.mean(np.log2(np.maximum(ratios, 1e-9))))


def _lost_to_few(cells: Cells, family: str) -> float:
    """Share lost on `filter` when only a quarter of the rows is there."""
    return cells("share", "filter", family) - cells("share", "filter", family, times=0.25)


def _ahead_of_linear(cells: Cells) -> float:
    rivals = [name for name in cells.have(SINGLE, "linear") if name != "linear"]
    if not rivals:
        raise MissingCell("no rival")
    return min(_doublings(cells, name, "linear") for name in rivals)


def _interactions(family: str, cells: Cells) -> float:
    return cells("share", "interaction", family) - 0.5


def _sequence(family: str, cells: Cells) -> float:
    return _others_best(cells, family, FLAT, ("gated",))


def _hungrier(family: str, cells: Cells) -> float:
    return _lost_to_few(cells, family) - float(
        np.mean([_lost_to_few(cells, name) for name in FLAT])
    )


def _slower(family: str, cells: Cells) -> float:
    return _doublings(cells, family, "boosting") - 1.0


def _claims() -> tuple[Claim, ...]:
    found = [
        Claim(
            "linear", "fastest to train", "Hastie, Tibshirani & Friedman (2009), ch. 3",
            "doublings of the quickest other family's time to fit, over linear's",
            _ahead_of_linear,
        ),
        Claim(
            "linear", "misses interactions", "Gu, Kelly & Xiu (2020), simulation",
            "0.2 less its share of the oracle's skill on `interaction`",
            lambda c: 0.2 - c("share", "interaction", "linear"),
        ),
        Claim(
            "linear", "not beaten where the truth is linear", "Gu, Kelly & Xiu (2020), simulation",
            "its share on `linear` less the best of trees, kernels and networks",
            lambda c: _others_best(c, "linear", (*TREES_AND_KERNELS, *NETS), ("linear",)),
        ),
        Claim(
            "forest", "robust to label noise", "Breiman (2001), section 8",
            "share that the other families lose on `mixed` to 20 and 40 % flipped labels, less what it loses",
            _steadier,
        ),
        Claim(
            "forest", "chances pulled to the middle", "Niculescu-Mizil & Caruana (2005)",
            "its calibration error on `linear` and `filter` less that of logistic regression",
            lambda c: float(np.mean([c("ece", p, "forest") - c("ece", p, "linear") for p in ("linear", "filter")])),
        ),
        Claim(
            "boosting", "best on tabular data", "Grinsztajn, Oyallon & Varoquaux (2022)",
            "its mean share on the tabular problems less the best other family's",
            lambda c: _others_best(c, "boosting", SINGLE, TABULAR),
        ),
        *(
            Claim(
                name, "captures interactions", source, "its share on `interaction` less 0.5",
                partial(_interactions, name),
            )
            for name, source in (
                ("forest", "Gu, Kelly & Xiu (2020), simulation"),
                ("boosting", "Friedman (2001)"),
                ("svm_rbf", "Cortes & Vapnik (1995)"),
            )
        ),
        Claim(
            "svm_linear", "as good as logistic regression", "Hastie, Tibshirani & Friedman (2009), ch. 12",
            "0.02 less the distance of their shares, mean over problems",
            lambda c: 0.02 - float(np.mean([
                abs(c("share", p, "svm_linear") - c("share", p, "linear")) for p in (*TABULAR, *SEQUENCE)
            ])),
        ),
        Claim(
            "svm_rbf", "does not scale", "Bottou & Lin (2007)",
            "power with which its time to fit grows with rows (n to 4 n on `mixed`) less 1.3",
            lambda c: math.log(c("fit_s", "mixed", "svm_rbf", times=4) / c("fit_s", "mixed", "svm_rbf"), 4) - 1.3,
        ),
        *(
            claim for name in NETS for claim in (
                Claim(
                    name, "captures sequence", "Fischer & Krauss (2018)",
                    "its share on `gated` less the best family's that is given the same steps laid out flat",
                    partial(_sequence, name),
                ),
                Claim(
                    name, "needs much data", "Makridakis, Spiliotis & Assimakopoulos (2018)",
                    "share lost on `filter` with a quarter of the rows, less the mean loss of the other kinds",
                    partial(_hungrier, name),
                ),
                Claim(
                    name, "slow to train", "Makridakis, Spiliotis & Assimakopoulos (2018), figure 7",
                    "doublings of boosting's time to fit, less 1",
                    partial(_slower, name),
                ),
            )
        ),
        Claim(
            "hmm", "finds regimes", "Hamilton (1989)",
            "balanced accuracy of its filtered states on `regime` less 0.8",
            lambda c: c("state_accuracy", "regime", "hmm") - 0.8,
        ),
        Claim(
            "hmm", "no direction", "Ang & Timmermann (2012), section 3",
            "0.05 less the distance of its AUC from one half on `regime`",
            lambda c: 0.05 - abs(c("auc", "regime", "hmm") - 0.5),
        ),
        Claim(
            GATED, "a regime gate pays where the law changes", "Ang & Timmermann (2012); Jacobs et al. (1991)",
            "share of gated linear experts on `regime` less that of one linear model",
            lambda c: c("share", "regime", GATED) - c("share", "regime", "linear"),
        ),
        Claim(
            STACKED, "not worse than its best part", "Breiman (1996); Wolpert (1992)",
            "0.02 plus its share less its best part's on the same problem, mean over problems",
            lambda c: 0.02 + float(np.mean([
                c("share", p, STACKED) - max(c("share", p, n) for n in STACK_OF) for p in (*TABULAR, *SEQUENCE)
            ])),
        ),
    ]  # fmt: skip
    return tuple(found)


CLAIMS = _claims()


def judge(
    rows: Sequence[Mapping[str, Any]], base_rows: int, claims: Sequence[Claim] = CLAIMS
) -> list[Verdict]:
    """Verdicts on all claims from measured cells (:func:`studies.families.cells.run`)."""
    by_seed: dict[int, dict[tuple[str, str, int, float], Mapping[str, Any]]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], {})[
            (row["problem"], row["family"], row["rows"], row["noise"])
        ] = row
    return [
        _judged(claim, [Cells(found, base_rows) for _, found in sorted(by_seed.items())])
        for claim in claims
    ]


def _judged(claim: Claim, seeds: Sequence[Cells]) -> Verdict:
    about = (claim.family, claim.text, claim.source, claim.rule)
    try:
        numbers = np.array([claim.number(cells) for cells in seeds])
        if len(numbers) and not np.isfinite(numbers).all():
            raise MissingCell("no number")
    except MissingCell:
        return Verdict(*about, "absent", None, None, None, 0)
    mean, half = weighted_interval(numbers.tolist(), [1.0] * len(numbers), least=2)
    if mean is None or half is None:
        return Verdict(*about, "open", mean, None, None, len(numbers))
    low, high = mean - half, mean + half
    verdict = "confirmed" if low > 0 else "refuted" if high < 0 else "open"
    return Verdict(*about, verdict, mean, low, high, len(numbers))


def summary(rows: Sequence[Mapping[str, Any]], base_rows: int) -> list[dict[str, Any]]:
    """One line per problem and family, means over seeds of the ordinary cells, with what noise leaves of the share."""
    keys = ("accuracy", "auc", "share", "brier", "ece", "fit_s", "peak_mib", "row_us", "one_us")
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["problem"], row["family"]), []).append(row)
    lines = []
    for (problem, family), cells in groups.items():
        plain = [cell for cell in cells if cell["rows"] == base_rows and cell["noise"] == 0.0]
        if not plain:
            continue
        line: dict[str, Any] = {"problem": problem, "family": family, "seeds": len(plain)}
        for key in keys:
            known = [cell[key] for cell in plain if cell[key] is not None]
            line[key] = float(np.mean(known)) if known else None
        noisy = sorted({cell["noise"] for cell in cells if cell["rows"] == base_rows})
        line["share_by_noise"] = {
            f"{noise:g}": float(
                np.mean(
                    [c["share"] for c in cells if c["noise"] == noise and c["rows"] == base_rows]
                )
            )
            for noise in noisy
        }
        lines.append(line)
    return lines

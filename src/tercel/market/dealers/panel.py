"""Panels: the numbers that dealers of a market have, shipped or from a file.

name = "mine"
unit = "million EUR"
source = "our requests of 2026"
dealers = 2
alpha = [-1.9, -0.3]              # a number for each dealer, or one for all
beta = [11.0, 3.5]
noise = 0.06
...
"""

import json
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.bounded_parsing import parse_tables
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.market.dealers.quotes import inventory_cost

FOLDER: Final = files("tercel.market.dealers") / "presets"
SECONDS: Final = 86_400.0
"""Seconds of a day, as volatilities and rates have it."""


DRAWN: Final = "drawn"
"""Word for dealers that are drawn for each seed, from the panel `equity`."""


@dataclass(frozen=True)
class DealerPanel:
    """Dealers of one market, most numbers float64 (D,), one each.

    Attributes
    ----------
    name, unit, source : str
        Name, unit of a size, and source of the numbers; numbers without a source are priors.
    sigma : float
        Volatility of the mid, bps per square root of a day.
    size : float
        Units of a usual request.
    large, largest : float
        Units of a large request, and of the largest that any dealer answers.
    book_bps : float
        Cost of a usual order in the book instead, bps of mid.
    rate : float
        Requests of others a day and side that a dealer trades on: more of them make inventory cheaper.
    alpha, beta : float64 (D,)
        Hit curves: the probability to win at the distance d is ``1 / (1 + exp(alpha + beta d))``.
    gamma : float64 (D,)
        Risk aversion, 1 / (bps x unit): more skews more.
    noise : float64 (D,)
        Scale of the logistic noise of a distance, bps: what makes the best of several quotes better than one.
    answers : float64 (D,)
        Probability of an answer.
    answer_s : float64 (D,)
        Mean time to an answer, s (exponential).
    ahead : float64 (D,)
        Size that a losing dealer trades ahead of the client, as a multiple of the request.
    tolerance : float64 (D,)
        Move against it, bps, beyond which a last look refuses; infinite: quotes are firm.
    hold_s : float64 (D,)
        Time from acceptance to the answer of the last look, s.
    hedge_bps : float64 (D,)
        Marginal cost of inventory, bps, beyond which a dealer hedges in the book at once.
    impact : float
        Price move per unit traded in the book, bps; 0 in a market with an impact law of its own.
    cost_share : float
        Cost of an answer as a share of the client's surplus: the more dealers a request has, the less each answers
        (Wang 2023).
    two_way : float
        Addition to each distance for a two-way request, bps; no dealer can trade ahead of it.
    """

    name: str
    unit: str
    source: str
    sigma: float
    size: float
    large: float
    largest: float
    book_bps: float
    rate: float
    impact: float
    cost_share: float
    two_way: float
    alpha: Floats
    beta: Floats
    gamma: Floats
    noise: Floats
    answers: Floats
    answer_s: Floats
    ahead: Floats
    tolerance: Floats
    hold_s: Floats
    hedge_bps: Floats

    def __post_init__(self) -> None:
        """Refuse parameters out of range, and arrays of several lengths."""
        arrays = [getattr(self, name) for name in PER_DEALER]
        lengths = {len(array) for array in arrays}
        numbers = np.concatenate([*arrays, [self.sigma, self.size, self.rate, self.impact]])
        if (
            len(lengths) != 1
            or min(lengths) < 1
            or np.isnan(numbers).any()
            or not (numbers[len(self.alpha) :] >= 0.0).all()
            or min(self.size, self.rate, self.beta.min()) <= 0.0
            or self.answers.max() > 1.0
            or not 0.0 <= self.cost_share < 1.0
        ):
            raise ConfigError(
                "a panel: as many of each number as dealers, none negative but alpha, probabilities up to 1",
                f"{self.name}: { ({name: getattr(self, name).tolist() for name in PER_DEALER}) }"[
                    :300
                ],
                "correct its file",
            )

    def __len__(self) -> int:
        return len(self.alpha)

    @property
    def per_unit(self) -> Floats:
        """Marginal cost of a unit of inventory, bps, (D,)."""
        return inventory_cost(self.gamma, self.sigma, self.rate, self.size, self.alpha, self.beta)

    def draw_variant(self, seed: int, spread: float = 0.35) -> Self:
        """A panel with other dealers of the same market: every number times a lognormal factor with sd `spread`.

        Probabilities stay below 1; `alpha` moves by as much as 3 x `spread`, so that spreads differ by dealer.
        """
        rng = np.random.default_rng(seed)
        factors = {name: np.exp(spread * rng.standard_normal(len(self))) for name in PER_DEALER}
        changed = {name: getattr(self, name) * factors[name] for name in PER_DEALER}
        changed["alpha"] = self.alpha + 3.0 * np.log(factors["alpha"])
        changed["answers"] = np.minimum(changed["answers"], 0.99)
        return replace(self, **changed)

    def firm(self) -> Self:
        """The same panel without last look, leakage and costs of answering: more dealers are then always better."""
        zero = np.zeros(len(self))
        return replace(
            self, ahead=zero, cost_share=0.0, tolerance=zero + np.inf, hedge_bps=zero + np.inf
        )


PER_DEALER: Final = tuple(field.name for field in fields(DealerPanel) if field.type == Floats)


def panel_text(panel: DealerPanel) -> str:
    """TOML text of a panel, as its file has it.

    >>> panel_text(load_panel("eurusd")).splitlines()[0]
    'name = "eurusd"'
    """
    values = {field.name: getattr(panel, field.name) for field in fields(DealerPanel)}
    texts = {
        name: str(np.asarray(value).tolist()) if name in PER_DEALER else json.dumps(value)
        for name, value in values.items()
    }
    return "".join(f"{name} = {text}\n" for name, text in {**texts, "dealers": len(panel)}.items())


def resolve_panel(name: str) -> str:
    """Name of a shipped panel, or the absolute path of a panel's file; the panel is read once to check it."""
    load_panel(name)
    return str(Path(name).resolve()) if name.endswith(".toml") else name


def load_panel(name: str | Path) -> DealerPanel:
    """A panel by its name, or from a file of the same keys.

    Raises
    ------
    ConfigError
        An unknown name, an unreadable file, numbers that will not do.

    >>> len(load_panel("eurusd")), load_panel("gbpusd").unit
    (10, 'million USD')
    """
    path = Path(name)
    names = sorted(file.name.removesuffix(".toml") for file in FOLDER.iterdir())
    if path.suffix == ".toml":
        refuse_if(not path.is_file(), "a panel of dealers (.toml)", f"no file {path}", "name one")
        text = path.read_text(encoding="utf-8")
    else:
        check_known(str(name), names, "a panel of dealers, or a file of one (.toml):")
        text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    try:
        values = parse_tables(text)
        shape = int(values.pop("dealers"))
        for key in PER_DEALER:
            values[key] = np.broadcast_to(np.asarray(values[key], np.float64), shape)
        return DealerPanel(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"a panel's keys: dealers, {', '.join(field.name for field in fields(DealerPanel))}",
            f"{name}: {error}",
            "compare it with a shipped one",
        ) from error

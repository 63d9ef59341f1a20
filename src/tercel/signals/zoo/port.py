"""The port of the zoo: one table of families, each with the classes that make its models.

To add a family: a file here, a row of `FAMILIES`, and a test class that inherits
:class:`tercel.api.testing.signal_model.SignalModelConformance`.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core.errors import ConfigError
from tercel.core.names import check_known


@dataclass(frozen=True)
class FamilyCard:
    """Card of a family of models: its libraries, classes and limits, known before it is tried.

    Parameters
    ----------
    name : str
        As in tables and configurations.
    about : str
        One line.
    needs : tuple of str
        Modules that it imports.
    model : str
        ``file.Class`` of its forecast; "": it tells states of the market alone, for a gate.
    settings : mapping
        Parameters that set it apart from other families of the same classes.
    sequence : bool
        Whether it reads the order of the steps.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    sequence: bool = False

    def make(self, seed: int = 0, steps: int = 1, **settings: Any) -> Any:
        """An unfitted model of this family; `steps` is the length of a sequence laid out flat, oldest first.

        Raises
        ------
        ConfigError
            When a library is absent (the extra is named), the family does not forecast or does not know a setting.
        """
        if (lacking := absent(self)) is not None:
            raise ConfigError("the extra [signals]", f"no module {lacking}", "pip install 'tercel[signals]'")
        if not self.model:
            raise ConfigError("a family that forecasts", f"{self.name}, which tells states", "take another family")
        file, _, kind = self.model.partition(".")
        made = getattr(importlib.import_module(f"tercel.signals.zoo.{file}"), kind)
        known = inspect.signature(made).parameters
        for key in settings:
            check_known(key, known, f"settings of {self.name}:")
        given = {"random_state": seed, "steps": steps}
        return made(**{key: value for key, value in given.items() if key in known} | {**self.settings, **settings})


FAMILIES: Final = {
    card.name: card
    for card in (
        FamilyCard("linear", "ridge regression", ("sklearn",), "linear.Ridge"),
        FamilyCard("forest", "random forest, 150 trees", ("sklearn",), "forest.ForestRegressor"),
        FamilyCard(
            "boosting", "gradient boosting, LightGBM", ("lightgbm", "sklearn"), "boosting.BoostingRegressor"
        ),
        FamilyCard(
            "svm_linear", "linear support vector machine", ("sklearn",), "svm.SvmRegressor",
            {"kernel": "linear", "C": 0.1, "subsample": None},
        ),
        FamilyCard(
            "svm_rbf", "support vector machine, Gaussian kernel, at most 5,000 rows", ("sklearn",), "svm.SvmRegressor"
        ),
        FamilyCard("hmm", "hidden Markov model, two states, filtered", ("hmmlearn", "sklearn")),
        FamilyCard("clusters", "mixture of two Gaussians", ("sklearn",)),
        FamilyCard("lstm", "LSTM, one layer of 24", ("torch", "sklearn"), "networks.LstmRegressor", sequence=True),
        FamilyCard(
            "transformer", "Transformer, one layer of 24, four heads", ("torch", "sklearn"),
            "networks.TransformerRegressor", sequence=True,
        ),
    )
}  # fmt: skip


def families() -> tuple[str, ...]:
    """Names of all families, installed or not."""
    return tuple(FAMILIES)


def family(name: str) -> FamilyCard:
    """The card of a family.

    Raises
    ------
    UnknownNameError
        No such family; the nearest name is offered.
    """
    check_known(name, FAMILIES, said=f"family {name!r}")
    return FAMILIES[name]


def absent(card: FamilyCard) -> str | None:
    """The first library of `card` that is not installed, None when all are."""
    return next((name for name in card.needs if importlib.util.find_spec(name) is None), None)

"""Registry of model families: cards by name with libraries, class and settings, and how to make a model of one.

To add a family: a class in `signals.models.regressors`, a row of `FAMILIES`, and a test class that inherits
:class:`certify.kits.signal_model.SignalModelConformance`. A package of one's own names its card in the entry
point group ``tercel.families``; `studies` so gives support vector machines and sequence networks.
"""

import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core.entry_points import entry_point_names, resolve_entry_point
from tercel.core.errors import ConfigError, check_known
from tercel.core.validation import convert_options

GROUP: Final = "tercel.families"


@dataclass(frozen=True)
class FamilyCard:
    """Card of a family of models: its libraries, classes and limits, known without importing them.

    Parameters
    ----------
    name : str
        As in tables and configurations.
    about : str
        One line.
    needs : tuple of str
        Modules that it imports.
    model : str
        ``module:Class`` of its forecast.
    settings : mapping
        Parameters that set it apart from other families of the same classes.
    extra : str
        Of `tercel`, that brings `needs`.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: str = "signals"

    def make(self, seed: int = 0, **settings: Any) -> Any:
        """An unfitted model of this family.

        Raises
        ------
        ConfigError
            When a library is absent (the extra is named), or the family does not know a setting or cannot be so.
        """
        if (missing_module := missing_library(self)) is not None:
            raise ConfigError(
                f"the extra [{self.extra}]",
                f"no module {missing_module}",
                f"pip install 'tercel[{self.extra}]'",
            )
        module, _, kind = self.model.partition(":")
        model_class = getattr(importlib.import_module(module), kind)
        parameters = inspect.signature(model_class).parameters
        for key in settings:
            check_known(key, parameters, f"settings of {self.name}:")
        convert_options(model_class, settings, f"settings of {self.name}")
        seeded = {"random_state": seed} if "random_state" in parameters else {}
        return model_class(**{**seeded, **self.settings, **settings})


FAMILIES: Final = {
    card.name: card
    for card in (
        FamilyCard(
            "linear", "ridge regression", ("sklearn",), "tercel.signals.models.regressors:Ridge"
        ),
        FamilyCard(
            "forest",
            "random forest, 150 trees",
            ("sklearn",),
            "tercel.signals.models.regressors:ForestRegressor",
        ),
        FamilyCard(
            "boosting",
            "gradient boosting, LightGBM",
            ("lightgbm", "sklearn"),
            "tercel.signals.models.regressors:BoostingRegressor",
        ),
        FamilyCard(
            "as_given",
            "the source's own values, standardised",
            ("sklearn",),
            "tercel.signals.models.regressors:AsGiven",
        ),
    )
}


def families() -> tuple[str, ...]:
    """Names of all families, those of installed packages last; their libraries may be absent."""
    return (*FAMILIES, *entry_point_names(GROUP))


def family(name: str) -> FamilyCard:
    """The card of a family; a package cannot take the name of one of these.

    Raises
    ------
    UnknownNameError
        No such family; the nearest name is offered, or the folder of a clone that has it.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    card: FamilyCard = resolve_entry_point(GROUP, name, FAMILIES, "one of", f"family {name!r}")
    return card


def missing_library(card: FamilyCard) -> str | None:
    """The first library of `card` that is not installed, None when all are."""
    return next((name for name in card.needs if importlib.util.find_spec(name) is None), None)

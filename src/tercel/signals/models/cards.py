"""Families of models, each behind scikit-learn's interface."""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known
from tercel.core.extras import entry_point, entry_point_names
from tercel.core.toml import fitting

# -- port -----------------------------------------------------------------------------------------
# The port: families of models, each a card that says what makes its models.
#
# To add a family: a class in `signals.models.regressors`, a row of `FAMILIES`, and a test class that inherits
# :class:`certify.kits.signal_model.SignalModelConformance`. A package of one's own names its card in the entry
# point group ``tercel.families``; `studies` so gives support vector machines and sequence networks.

GROUP: Final = "tercel.families"


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
        if (lacking := absent(self)) is not None:
            raise ConfigError(
                f"the extra [{self.extra}]",
                f"no module {lacking}",
                f"pip install 'tercel[{self.extra}]'",
            )
        module, _, kind = self.model.partition(":")
        made = getattr(importlib.import_module(module), kind)
        known = inspect.signature(made).parameters
        for key in settings:
            check_known(key, known, f"settings of {self.name}:")
        fitting(made, settings, f"settings of {self.name}")
        seeded = {"random_state": seed} if "random_state" in known else {}
        return made(**{**seeded, **self.settings, **settings})


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
    card: FamilyCard = entry_point(GROUP, name, FAMILIES, "one of", f"family {name!r}")
    return card


def absent(card: FamilyCard) -> str | None:
    """The first library of `card` that is not installed, None when all are."""
    return next((name for name in card.needs if importlib.util.find_spec(name) is None), None)

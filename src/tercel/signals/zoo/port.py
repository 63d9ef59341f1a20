"""The port of the zoo: a card per family, found by looking at the files of this folder.

To add a family: one file here with ``CARDS``, and a test class that inherits
:class:`tercel.testing.signal_model.SignalModelConformance`. Nothing else changes.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from tercel.core.errors import ConfigError
from tercel.core.names import check_known

Task = Literal["classify", "regress"]


@dataclass(frozen=True)
class FamilyCard:
    """What is known of a family before it is tried.

    Parameters
    ----------
    name : str
        As in tables and configurations.
    about : str
        One line.
    needs : tuple of str
        Modules it imports when it learns; empty for NumPy alone.
    makers : mapping of task to callable
        ``maker(seed=..., steps=..., **settings)`` -> an unfitted model; `steps` is the length of a sequence laid out
        flat, oldest first, which tabular families do not care for.
    sequence : bool
        Whether it reads the order of the steps.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    makers: Mapping[str, Callable[..., Any]]
    sequence: bool = False

    def make(self, task: Task, seed: int = 0, steps: int = 1, **settings: Any) -> Any:
        """An unfitted model of this family.

        Raises
        ------
        ConfigError
            When a library is absent (the extra is named), the family cannot do the task or does not know a setting.
        """
        if (lacking := absent(self)) is not None:
            raise ConfigError("the extra [signals]", f"no module {lacking}", "pip install 'tercel[signals]'")
        if task not in self.makers:
            raise ConfigError(f"a task of {self.name}: {', '.join(self.makers)}", repr(task), "take another family")
        model = self.makers[task](seed=seed, steps=steps)
        known = model.get_params(deep=False)
        for key in settings:
            check_known(key, known, f"settings of {self.name}:")
        return model.set_params(**settings)


def seeded(classifier: Callable[..., Any], regressor: Callable[..., Any], **more: Any) -> dict[str, Any]:
    """Makers of a family whose models take a seed, and the same parameters beside it."""
    return {
        "classify": lambda seed, steps: classifier(**more, random_state=seed),
        "regress": lambda seed, steps: regressor(**more, random_state=seed),
    }


_NO_FAMILIES: Final = ("base", "port", "torch_nets")


@cache
def _cards() -> dict[str, FamilyCard]:
    package = importlib.import_module("tercel.signals.zoo")
    found: dict[str, FamilyCard] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        if module.name not in _NO_FAMILIES:
            for card in importlib.import_module(f"{package.__name__}.{module.name}").CARDS:
                found[card.name] = card
    order = ("linear", "forest", "boosting", "svm_linear", "svm_rbf", "hmm", "clusters", "lstm", "transformer")
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0])))


def families() -> tuple[str, ...]:
    """Names of all families, installed or not."""
    return tuple(_cards())


def family(name: str) -> FamilyCard:
    """The card of a family.

    Raises
    ------
    UnknownNameError
        No such family; the nearest name is offered.
    """
    cards = _cards()
    check_known(name, cards, said=f"family {name!r}")
    return cards[name]


def absent(card: FamilyCard) -> str | None:
    """The first library of `card` that is not installed, None when all are."""
    for name in card.needs:
        if importlib.util.find_spec(name) is None:
            return name
    return None

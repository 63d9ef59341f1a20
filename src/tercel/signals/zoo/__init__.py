"""The model zoo: every family behind scikit-learn's interface; one file each. See :mod:`tercel.signals.zoo.port`."""

from tercel.signals.zoo.port import FamilyCard, absent, families, family

__all__ = ["FamilyCard", "absent", "families", "family"]

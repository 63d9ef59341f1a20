from tercel.signals.models.cards import FAMILIES as FAMILIES
from tercel.signals.models.cards import FamilyCard as FamilyCard
from tercel.signals.models.cards import absent as absent
from tercel.signals.models.cards import families as families
from tercel.signals.models.cards import family as family

__all__ = ["FAMILIES", "FamilyCard", "absent", "families", "family"]

from tercel.signals.models.family_cards import FAMILIES as FAMILIES
from tercel.signals.models.family_cards import FamilyCard as FamilyCard
from tercel.signals.models.family_cards import missing_library as missing_library
from tercel.signals.models.family_cards import families as families
from tercel.signals.models.family_cards import family as family

__all__ = ["FAMILIES", "FamilyCard", "families", "family", "missing_library"]

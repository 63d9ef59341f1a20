from tercel.signals.models.families import FAMILIES as FAMILIES
from tercel.signals.models.families import FamilyCard as FamilyCard
from tercel.signals.models.families import absent as absent
from tercel.signals.models.families import families as families
from tercel.signals.models.families import family as family

__all__ = ["FAMILIES", "FamilyCard", "absent", "families", "family"]

from tercel.signals.models.model_folder import FAMILIES as FAMILIES
from tercel.signals.models.model_folder import FamilyCard as FamilyCard
from tercel.signals.models.model_folder import absent as absent
from tercel.signals.models.model_folder import families as families
from tercel.signals.models.model_folder import family as family

__all__ = ["FAMILIES", "FamilyCard", "absent", "families", "family"]

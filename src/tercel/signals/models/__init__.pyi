from tercel.signals.models.model_folder import (
    FAMILIES as FAMILIES,
    FamilyCard as FamilyCard,
    absent as absent,
    families as families,
    family as family,
)

__all__ = ["FAMILIES", "FamilyCard", "absent", "families", "family"]

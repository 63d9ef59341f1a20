"""Families of models that `tercel` finds here by the entry point group ``tercel.families``."""

from typing import Final

from tercel.signals.models import FamilyCard, family

SVM_LINEAR: Final = FamilyCard(
    "svm_linear", "linear support vector machine", ("sklearn",), "studies.zoo.svm:SvmRegressor",
    {"kernel": "linear", "C": 0.1, "subsample": None},
)  # fmt: skip
SVM_RBF: Final = FamilyCard(
    "svm_rbf", "support vector machine, Gaussian kernel, at most 5,000 rows", ("sklearn",),
    "studies.zoo.svm:SvmRegressor",
)  # fmt: skip
LSTM: Final = FamilyCard(
    "lstm", "LSTM, one layer of 24", ("torch", "sklearn"), "studies.zoo.networks:LstmRegressor", extra="learn"
)  # fmt: skip
TRANSFORMER: Final = FamilyCard(
    "transformer", "Transformer, one layer of 24, four heads", ("torch", "sklearn"),
    "studies.zoo.networks:TransformerRegressor", extra="learn",
)  # fmt: skip
STATES: Final = {
    "hmm": FamilyCard(
        "hmm",
        "hidden Markov model, two states, filtered",
        ("hmmlearn", "sklearn"),
        "studies.zoo.regimes:HmmRegimes",
    ),
    "clusters": FamilyCard(
        "clusters", "mixture of two Gaussians", ("sklearn",), "studies.zoo.regimes:ClusterRegimes"
    ),
}
"""Families that tell states of the market, and forecast nothing."""
SEQUENCES: Final = (LSTM.name, TRANSFORMER.name)
"""Families that read the order of steps."""
FAMILIES: Final = (
    "linear",
    "forest",
    "boosting",
    SVM_LINEAR.name,
    SVM_RBF.name,
    *STATES,
    *SEQUENCES,
)
"""All that are compared, as tables have them."""


def card_of(name: str) -> FamilyCard:
    """The card of a family that is compared.

    Raises
    ------
    UnknownNameError
        As :func:`tercel.signals.models.model_folder.family`.
    """
    return STATES[name] if name in STATES else family(name)

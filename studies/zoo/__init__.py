"""Families of models that `tercel` finds here by the entry point group ``tercel.families``."""

from typing import Final

from tercel.signals.zoo import FamilyCard

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
SEQUENCES: Final = (LSTM.name, TRANSFORMER.name)
"""Families that read the order of steps."""
FAMILIES: Final = ("linear", "forest", "boosting", SVM_LINEAR.name, SVM_RBF.name, "hmm", "clusters", *SEQUENCES)
"""All that are compared, as tables have them."""

"""Learned policies: MLPs run by Numba, ONNX files, the card of a policy, and policies as strategies."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)

"""Learned policies: weights in flat arrays run by Numba, ONNX files, and the card that states their use."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)

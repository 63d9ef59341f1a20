"""Learned policies: weights in flat arrays run by Numba, ONNX files, and the card that says what they are for."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)

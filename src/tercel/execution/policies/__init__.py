"""Learned policies: weights in flat arrays run by Numba, ONNX files, and the card that says what they are for."""

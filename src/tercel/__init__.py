"""Tercel: an open machine-learning trading system, from tick data to an execution agent that is judged.

Importing this package is cheap: no Numba, Polars or Torch is loaded until a room that needs it is.
"""

__version__ = "0.1.0"

"""Executors of Tercel in NautilusTrader: an execution algorithm, its recovery at Binance, and a comparison of engines."""

from tercel_nautilus.algorithm import TercelExecAlgorithm, TercelExecAlgorithmConfig
from tercel_nautilus.kept import KeptParent

__all__ = ["KeptParent", "TercelExecAlgorithm", "TercelExecAlgorithmConfig"]

"""Shared foundations of all packages: errors, orders, ports, kernels, statistics, tables, pages."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)

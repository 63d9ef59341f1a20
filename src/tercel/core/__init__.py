"""Shared foundations of all packages: arrays, errors, orders, ports, kernels, pages and the worker pool."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)

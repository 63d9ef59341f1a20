from tercel.lab.tuning.cma import CmaEs as CmaEs

__all__ = ["CmaEs"]

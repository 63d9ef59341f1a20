"""Alpha models that ship, trained from synthetic material alone; NumPy is all they need to run."""

from tercel.signals.models_packaged.model import AlphaModel, load_model, load_packaged, packaged

__all__ = ["AlphaModel", "load_model", "load_packaged", "packaged"]

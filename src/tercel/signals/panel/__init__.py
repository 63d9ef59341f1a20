"""The point-in-time panel (:mod:`.panel`) and the sets that models are fitted to (:mod:`.dataset`)."""

from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.panel import Panel

__all__ = ["Dataset", "Panel"]

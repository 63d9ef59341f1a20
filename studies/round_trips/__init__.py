"""Round trips that pay: searched on some worlds, proved on others."""

"""Every strategy in every market and regime, side by side."""

"""The market of Cheridito & Weiss (2025): zero-intelligence flow that may react to imbalance, and a hidden trader."""

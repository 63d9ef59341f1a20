"""Models: families, their fusion, walk-forward fits, online learning, and how their skill is measured."""

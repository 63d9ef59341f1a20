"""Buehler et al. (2019) in small: an option under costs, hedged by a network."""

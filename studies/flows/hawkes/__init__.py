"""Hawkes flow: a marked, self- and cross-exciting point process of order-book events."""

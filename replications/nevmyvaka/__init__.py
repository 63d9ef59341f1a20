"""Nevmyvaka, Feng and Kearns (ICML 2006), done again on a tape: a table swept backwards from the horizon."""

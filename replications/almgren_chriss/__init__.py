"""Almgren & Chriss (2000): the worked numbers, and the efficient frontier by an agent's risk aversion."""

"""How real simulated markets are: stylised facts, days left to themselves, data sets, another benchmark's code."""

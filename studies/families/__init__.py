"""`tercel signals compare`: what the field asserts of model families, measured on problems whose truth is known.

:mod:`.problems` draws data from known laws; :mod:`.cells` fits one family once and measures it; :mod:`.claims` turns
the cells of all seeds into verdicts by rules that were written after one exploratory run, with seed 1: judge them on
other seeds.
"""

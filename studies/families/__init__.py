"""`tercel signals compare`: what the field asserts of model families, measured on problems whose truth is known.

`python -m studies families sequences` asks the same of seconds of recorded books: :mod:`.book_rows` reads them,
:mod:`.sequences` fits and scores a cell, :mod:`.sequence_claims` decides.

:mod:`.problems` draws data from known laws; :mod:`.cells` fits one family once and measures it; :mod:`.claims` turns
the cells of all seeds into verdicts by rules that were written after one exploratory run, with seed 1: judge them on
other seeds.
"""

"""The ablation of a recipe: variants of it, each with one idea taken away or added, trained alike and judged together.

variants.toml   what ships: a name, a sentence, the keys that change
variants.py     read, laid over the recipe and refused before anything is trained
trainings.py    a run folder for each variant and seed, trained side by side, gone on with
judged.py       the last policies on fresh episodes, against the whole recipe
page.py         the same as pictures
"""

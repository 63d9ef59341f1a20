"""A search over the settings of a training by Optuna (extra ``[sweep]``): trials, the best configuration, a page."""

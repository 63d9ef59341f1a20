"""Evaluation: tasks, paired episodes, and the judged table."""

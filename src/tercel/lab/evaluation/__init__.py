"""Tasks, paired episodes, and the judged table."""

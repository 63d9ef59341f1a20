"""What each command does: one module per group of commands, imported when it is called."""

"""Orders of any size and length: what the agent that ships costs beside three plain rules."""

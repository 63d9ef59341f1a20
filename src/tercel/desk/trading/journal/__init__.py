"""The journal: what came in, what was decided, what left; nothing is ever changed in it."""

"""How the policies and the alpha model that are shipped were made."""

"""The page where people watch and overrule a desk of agents."""

"""How what ships is made: trained policies as folders, the alpha model of the demo desk."""

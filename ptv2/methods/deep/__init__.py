"""Method `deep`: prompts in every chosen layer (P-Tuning v2)."""

"""Artifacts outside of ptv2: attached to plain transformers models, exported for other programs, imported from them."""

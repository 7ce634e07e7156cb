"""Scores, losses and likelihoods of ptv2 beside those of programs that others wrote."""

"""Screening, signatures, nomogram, cut-off and applicability: what a recipe is made of."""

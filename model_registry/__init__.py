"""Recipes, bundles and the registry of trained models."""

"""Baselines that a system should beat."""

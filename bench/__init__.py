"""Measurements: `python -m bench PART …`. Run by hand, never by the tests."""

"""Measures the shipped rewards again, and compares with what their package states: `python -m bench.validate DATA`."""

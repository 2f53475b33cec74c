"""What the shipped rewards measure, on data that was never fitted: `python -m bench.validate DATA`."""

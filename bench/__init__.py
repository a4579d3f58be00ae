"""Benchmarks: ratios measured side by side in one run, each with a bound that it checks. `python -m bench` runs all."""

"""Benchmarks: `python -m tests.bench` prints the tables; nothing is asserted about time."""

"""Measure the engine beside its floors and its peers, all in one run: ``python -m benchmarks``."""

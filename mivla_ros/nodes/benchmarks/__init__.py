"""Measurements of the live graph; each is a command of its own, named in docs/benchmarks.md."""

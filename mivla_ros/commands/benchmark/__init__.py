"""Measure something here and write the figures."""

"""Recorded episodes: look at, check, convert, repair."""

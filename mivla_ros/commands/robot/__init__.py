"""Look at robot profiles."""

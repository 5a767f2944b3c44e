"""Recording an episode and watching its quality while it happens. Plain Python; the recorder node is the rim."""

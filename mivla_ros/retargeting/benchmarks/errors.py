"""The one root exception of the benchmarks."""


class BenchmarkError(ValueError):
    """A benchmark that cannot be run; the message names the file, solver or command at fault."""

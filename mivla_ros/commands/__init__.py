"""The `mivla` command: every module here is a subcommand of the same name, every package a group of them.

A command module has a docstring (its first line is the help), `add_arguments(parser)` and `run(arguments) -> int`
(the exit status). What takes long to import is imported in `run`, so that `mivla --help` answers at once. Errors meant
for the user are `CommandError`, or `ValueError`/`OSError` with one clear line, and are printed without a traceback.
"""

"""Entry point of `mivla`: builds the argument parser from the modules of this package and runs one of them."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from mivla_ros.commands.errors import CommandError

NOT_COMMANDS = frozenset({"main", "errors"})
INTERRUPTED = 130  # 128 + SIGINT, what shells expect


def command_modules(package: str) -> list[ModuleType]:
    """Modules and packages of `package` that are commands, in alphabetical order.

    A module without `run` is a helper of its neighbours and no command.
    """
    found = []
    for info in iter_modules(import_module(package).__path__):
        if info.name in NOT_COMMANDS:
            continue
        module = import_module(f"{package}.{info.name}")
        if info.ispkg or hasattr(module, "run"):
            found.append(module)
    return found


def _add_commands(parser: argparse.ArgumentParser, package: str) -> None:
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in command_modules(package):
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        text = (module.__doc__ or "").strip()
        summary = text.partition("\n")[0]
        child = choices.add_parser(
            name, help=summary, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if hasattr(module, "run"):
            module.add_arguments(child)
            child.set_defaults(run=module.run)
        else:
            _add_commands(child, module.__name__)


def make_parser() -> argparse.ArgumentParser:
    """The parser of `mivla` with every command."""
    parser = argparse.ArgumentParser(prog="mivla", description="MiVLA's tools. Nothing here needs ROS.")
    _add_commands(parser, "mivla_ros.commands")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Errors meant for the user are one line on standard error."""
    arguments = make_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments) or 0)
    except CommandError as error:
        print(f"mivla: {error}", file=sys.stderr)
        return error.status
    except (ValueError, OSError) as error:
        if os.environ.get("MIVLA_DEBUG"):
            raise
        print(f"mivla: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

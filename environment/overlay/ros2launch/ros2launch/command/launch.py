"""The ``launch`` command of ``ros2``."""

import os
import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError
from launch.launch_description_sources.any_launch_file_utilities import (
    get_launch_description_from_any_launch_file,
)
from ros2cli.command import CommandExtension
from ros2pkg.api import package_name_completer

from ros2launch.api import (
    LaunchFileNameCompleter,
    MultipleLaunchFilesError,
    get_share_file_path_from_package,
    launch_a_launch_file,
    parse_launch_arguments,
    print_a_launch_file,
    print_arguments_of_launch_file,
)


def _complete(argument: Action, completer: Callable[..., list[str]]) -> None:
    argument.completer = completer  # type: ignore[attr-defined]  # argcomplete reads it there


def _package_or_path_completer(prefix: str, parsed_args: Namespace, **kwargs: object) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return [*package_name_completer(), *FilesCompleter()(prefix)]


def _argument_completer(prefix: str, parsed_args: Namespace, **kwargs: object) -> list[str]:
    try:
        path, _ = _file_and_arguments(parsed_args)
        arguments = get_launch_description_from_any_launch_file(path).get_launch_arguments()
    except Exception:
        return []  # completion stays silent whatever the launch file does
    return [f"{argument.name}:=" for argument in arguments]


def _file_and_arguments(args: Namespace) -> tuple[str, list[str]]:
    """Return the launch file's path and its raw arguments, from either form of the command line."""
    arguments = list(args.launch_arguments)
    name = args.launch_file_name
    first = Path(args.package_name)
    if name is None or ":=" in name or first.is_file():
        if name is not None:
            arguments.insert(0, name)
        if not first.is_file():
            hint = "" if first.suffix else " (a package needs the name of its launch file: PACKAGE FILE)"
            raise RuntimeError(f"launch file '{first}' does not exist{hint}")
        return str(first), arguments
    try:
        return get_share_file_path_from_package(package_name=args.package_name, file_name=name), arguments
    except PackageNotFoundError as error:
        raise RuntimeError(f"package '{args.package_name}' not found: {error}") from error
    except (FileNotFoundError, MultipleLaunchFilesError, ValueError) as error:
        raise RuntimeError(str(error)) from error


def _show(show: Callable[..., None], path: str) -> int:
    try:
        show(launch_file_path=path)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (a pipe to head): Python's own flush at exit must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # whatever the launch file's own code raises
        raise RuntimeError(f"cannot read launch file '{path}': {error}") from error
    return 0


class LaunchCommand(CommandExtension):
    """Run a launch file."""

    def add_arguments(self, parser: ArgumentParser, cli_name: str) -> None:
        """Declare options, the launch file and its arguments."""
        add = parser.add_argument
        add("-n", "--noninteractive", action="store_true", help="run without a terminal, as a script does")
        add("-d", "--debug", action="store_true", help="log what the launch system does, with tracebacks")
        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            "-p", "--print", "--print-description", action="store_true", dest="print_description",
            help="print what the launch file contains, run nothing",
        )  # fmt: skip
        group.add_argument(
            "-s", "--show-args", "--show-arguments", action="store_true", dest="show_args",
            help="print the arguments the launch file takes, run nothing",
        )  # fmt: skip
        add(
            "-a", "--show-all-subprocesses-output", action="store_true",
            help="print every process's output (sets OVERRIDE_LAUNCH_PROCESS_OUTPUT)",
        )  # fmt: skip
        add("--launch-prefix", help="command put before every executable, for example 'gdb -ex run --args'")
        add("--launch-prefix-filter", help="pattern of the executables that --launch-prefix applies to")
        package = add("package_name", help="package that holds the launch file, or the path of a launch file")
        name = add("launch_file_name", nargs="?", help="launch file's name in the package's share folder")
        rest = add("launch_arguments", nargs="*", help="NAME:=VALUE; of a repeated name the last one counts")
        _complete(package, _package_or_path_completer)
        _complete(name, LaunchFileNameCompleter(package_name_key="package_name"))
        _complete(rest, _argument_completer)

    def main(self, *, parser: ArgumentParser, args: Namespace) -> int:
        """Show or run the launch file; the returned status is the command's."""
        if args.launch_prefix_filter and not args.launch_prefix:
            parser.error("--launch-prefix-filter needs --launch-prefix")
        path, arguments = _file_and_arguments(args)
        if args.show_args:
            return _show(print_arguments_of_launch_file, path)
        if args.print_description:
            return _show(print_a_launch_file, path)
        if args.show_all_subprocesses_output:
            os.environ["OVERRIDE_LAUNCH_PROCESS_OUTPUT"] = "both"
        parse_launch_arguments(arguments)  # refused before anything starts
        return launch_a_launch_file(
            launch_file_path=path,
            launch_file_arguments=arguments,
            noninteractive=args.noninteractive,
            args=args,
            debug=args.debug,
        )

"""What ``ros2 launch`` does, as functions."""

import os
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription, LaunchIntrospector, LaunchService
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.frontend import Parser
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.launch_description_sources.any_launch_file_utilities import (
    get_launch_description_from_any_launch_file,
)


class MultipleLaunchFilesError(Exception):
    """A package installs the wanted file name more than once."""

    def __init__(self, msg: str, paths: list[str]) -> None:
        """Keep the paths that were found."""
        super().__init__(msg)
        self.paths = paths


def _files_under(folder: Path) -> Iterable[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def get_share_file_path_from_package(*, package_name: str, file_name: str) -> str:
    """Return the path of the one file of that name in a package's share folder, at any depth.

    Raises PackageNotFoundError, FileNotFoundError or MultipleLaunchFilesError.
    """
    share = Path(get_package_share_directory(package_name))
    found = [str(path) for path in _files_under(share) if path.name == file_name]
    if not found:
        raise FileNotFoundError(f"package '{package_name}' has no file named '{file_name}' in {share}")
    if len(found) > 1:
        msg = f"package '{package_name}' has {len(found)} files named '{file_name}': {', '.join(found)}"
        raise MultipleLaunchFilesError(msg, found)
    return found[0]


def get_launch_file_paths(*, path: str) -> list[str]:
    """Return every launch file under a folder, known by its ending (``launch.py``, ``launch.xml``)."""
    endings = ("launch.py", *(f"launch.{kind}" for kind in Parser.get_available_extensions()))
    return [str(file) for file in _files_under(Path(path)) if file.name.endswith(endings)]


def parse_launch_arguments(launch_arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Split ``name:=value`` arguments; the last of a repeated name wins.

    Raises RuntimeError on an argument without a name, a value or the sign between them.
    """
    values: dict[str, str] = {}
    for argument in launch_arguments:
        name, sign, value = argument.partition(":=")
        if not (name and sign and value):
            raise RuntimeError(f"malformed launch argument '{argument}': expected NAME:=VALUE")
        values[name] = value
    return list(values.items())


def _load(launch_file_path: str) -> LaunchDescription:
    return get_launch_description_from_any_launch_file(launch_file_path)


def print_a_launch_file(*, launch_file_path: str) -> None:
    """Print the entities of a launch file without running them."""
    print(LaunchIntrospector().format_launch_description(_load(launch_file_path)))


def _argument_lines(argument: DeclareLaunchArgument) -> list[str]:
    lines = [f"    '{argument.name}':"]
    # launch itself appends the choices to the description.
    lines += [f"        {line}".rstrip() for line in argument.description.splitlines()]
    if argument.default_value is not None:
        default = " + ".join(part.describe() for part in argument.default_value) or "''"
        lines.append(f"        (default: {default})")
    elif not argument._conditionally_included:
        lines.append("        (required)")
    return lines


def print_arguments_of_launch_file(*, launch_file_path: str) -> None:
    """Print name, description, choices and default of every argument of a launch file."""
    print("Arguments, given as NAME:=VALUE:")
    arguments = _load(launch_file_path).get_launch_arguments()
    if not arguments:
        print("\n  No arguments.")
    for argument in arguments:
        print("", *_argument_lines(argument), sep="\n")


def launch_a_launch_file(
    *,
    launch_file_path: str,
    launch_file_arguments: Iterable[str],
    noninteractive: bool = False,
    args: Namespace | None = None,
    option_extensions: Mapping[str, object] | None = None,
    debug: bool = False,
) -> int:
    """Run a launch file until it ends and return LaunchService's status, 0 when nothing failed.

    SIGINT shuts the launch down in order (LaunchService handles it). ``args`` carries the optional
    ``launch_prefix`` and ``launch_prefix_filter`` of the command line. Raises RuntimeError on a
    malformed argument and NotImplementedError where option extensions are given: this overlay has none.
    """
    if option_extensions:
        raise NotImplementedError(f"launch option extensions are not supported: {sorted(option_extensions)}")
    raw = list(launch_file_arguments)
    arguments = parse_launch_arguments(raw)
    for key in ("launch_prefix", "launch_prefix_filter"):
        if value := getattr(args, key, None):
            arguments.append((key.replace("_", "-"), value))
    service = LaunchService(argv=raw, noninteractive=noninteractive, debug=debug)
    source = AnyLaunchDescriptionSource(launch_file_path)
    include = IncludeLaunchDescription(source, launch_arguments=arguments)
    service.include_launch_description(LaunchDescription([include]))
    return service.run()


class LaunchFileNameCompleter:
    """Completion of the launch file's name, for the package already typed."""

    def __init__(self, *, package_name_key: str = "package_name") -> None:
        """Remember under which name the parser keeps the package."""
        self.package_name_key = package_name_key

    def __call__(self, prefix: str, parsed_args: Namespace, **kwargs: object) -> list[str]:
        """Return the names of the package's launch files."""
        try:
            share = get_package_share_directory(getattr(parsed_args, self.package_name_key))
        except (PackageNotFoundError, ValueError):
            return []
        return [Path(path).name for path in get_launch_file_paths(path=share)]

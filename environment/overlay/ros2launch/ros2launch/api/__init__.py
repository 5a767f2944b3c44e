"""Find, describe and run launch files."""

from .api import (
    LaunchFileNameCompleter,
    MultipleLaunchFilesError,
    get_launch_file_paths,
    get_share_file_path_from_package,
    launch_a_launch_file,
    parse_launch_arguments,
    print_a_launch_file,
    print_arguments_of_launch_file,
)

__all__ = [
    "LaunchFileNameCompleter",
    "MultipleLaunchFilesError",
    "get_launch_file_paths",
    "get_share_file_path_from_package",
    "launch_a_launch_file",
    "parse_launch_arguments",
    "print_a_launch_file",
    "print_arguments_of_launch_file",
]

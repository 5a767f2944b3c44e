"""What makes a ROS prefix out of wheels: licences, rewriting of paths, programs."""

import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / "environment"
sys.path.insert(0, str(ENVIRONMENT))

import assemble  # noqa: E402


def write_wheel(tree: Path, name: str, licence: str, version: str = "1.0") -> None:
    """A second wheel with one Python package that has a program."""
    (tree / "share" / name / "msg").mkdir(parents=True)
    (tree / "share" / name / "package.xml").write_text(f"<package><license>{licence}</license></package>")
    (tree / "share" / name / "msg" / "A.msg").write_text("int8 a\n")
    mark = tree / "share/ament_index/resource_index/packages" / name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    egg = tree / "rclpy" / f"{name}-{version}-py3.12.egg-info"
    egg.mkdir(parents=True)
    (egg / "top_level.txt").write_text(f"{name}\n")
    (egg / "entry_points.txt").write_text(f"[console_scripts]\nsay = {name}:main\n\n[other]\nx = y\n")
    (tree / "rclpy" / name).mkdir()
    (tree / "rclpy" / name / "__init__.py").write_text("def main():\n    print('said')\n    return 3\n")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    path = tmp_path / "prefix"
    (path / "lib/python3.12/site-packages").mkdir(parents=True)
    (path / "bin").mkdir()
    (path / "share").mkdir()
    return path


def package(name: str = "talker", licence: str = "BSD", definitions: bool = False) -> assemble.TakenPackage:
    return assemble.TakenPackage(name, (licence,), definitions, ())


def test_a_licence_that_is_not_open_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("package,licence,taken,libraries\nsim,NVIDIA Proprietary Software,whole,\n")
    with pytest.raises(assemble.AssembleError, match=r"sim has the licence \['NVIDIA"):
        assemble.read_table(table)


def test_a_licence_other_than_the_table_says_is_refused(tmp_path: Path, prefix: Path) -> None:
    write_wheel(tmp_path / "tree", "talker", "MIT")
    with pytest.raises(assemble.AssembleError, match=r"talker: licences \('MIT',\)"):
        assemble.copy_package(package(), tmp_path / "tree", prefix, prefix / "lib/python3.12/site-packages")


def test_the_table_names_each_package_once_under_an_open_licence() -> None:
    names = [taken.name for taken in assemble.read_table(ENVIRONMENT / "second_wheel.csv")]
    assert len(names) == len(set(names)) > 20
    assert "ros2cli" in names


def test_a_package_arrives_with_its_mark_its_module_and_a_program_that_runs(tmp_path: Path, prefix: Path) -> None:
    write_wheel(tmp_path / "tree", "talker", "BSD")
    site_packages = prefix / "lib/python3.12/site-packages"
    assemble.copy_package(package(), tmp_path / "tree", prefix, site_packages)
    assemble.add_console_scripts([package()], prefix, site_packages)
    assert (prefix / "share/ament_index/resource_index/packages/talker").exists()
    interpreter = prefix / "bin/python"
    interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={site_packages} exec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    moved = prefix.rename(prefix.with_name("moved"))
    (moved / "bin/python").write_text(
        f'#!/bin/sh\nPYTHONPATH={moved}/lib/python3.12/site-packages exec {sys.executable} "$@"\n'
    )
    run = subprocess.run([moved / "bin/say"], capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.returncode) == ("said\n", 3)


def test_of_an_interface_package_only_the_definitions_arrive(tmp_path: Path, prefix: Path) -> None:
    write_wheel(tmp_path / "tree", "words", "BSD")
    site_packages = prefix / "lib/python3.12/site-packages"
    assemble.copy_package(package("words", definitions=True), tmp_path / "tree", prefix, site_packages)
    assert (prefix / "share/words/msg/A.msg").read_text() == "int8 a\n"
    assert not (site_packages / "words").exists()
    assert not (prefix / "share/ament_index").exists()


def test_build_machine_paths_become_this_ones_and_the_cached_file_stays(tmp_path: Path, prefix: Path) -> None:
    cached = tmp_path / "cached.cmake"
    cached.write_text(
        "set(x /opt/python/cp312-cp312/lib/python3.12/site-packages/numpy;/workspace/jazzy_ws/install/lib)"
    )
    target = prefix / "share/talker/talker-config.cmake"
    target.parent.mkdir()
    target.hardlink_to(cached)
    site_packages = prefix / "lib/python3.12/site-packages"
    changed = assemble.rewrite_paths(prefix, assemble.path_rewrites(Path("/final"), site_packages, prefix))
    assert changed == 1
    assert target.read_text() == "set(x /final/lib/python3.12/site-packages/numpy;/final/lib)"
    assert "/opt/python" in cached.read_text()


def test_the_local_setup_goes_in_front_of_what_is_there(tmp_path: Path) -> None:
    setup = tmp_path / "local_setup.bash"
    setup.write_text(assemble.local_setup(Path("/final")))
    shell = f". {setup}; echo $AMENT_PREFIX_PATH $LD_LIBRARY_PATH"
    output = subprocess.check_output(
        ["bash", "-c", shell], env={"PATH": "/usr/bin:/bin", "AMENT_PREFIX_PATH": "/mine"}, text=True, timeout=60
    )
    assert output.split() == ["/final:/mine", "/final/lib"]

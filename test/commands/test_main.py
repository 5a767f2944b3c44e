import json
import subprocess
import sys

import pytest

from mivla_ros.commands import main as commands


def test_help_names_every_command_and_imports_nothing_heavy():
    program = (
        "import sys; from mivla_ros.commands.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'mujoco', 'rclpy', 'numba', 'scipy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "robot" in shown
    assert "benchmark" in shown
    assert shown.rstrip().endswith("[]")


def test_a_command_in_a_group_runs(capsys):
    assert commands.main(["robot", "list"]) == 0
    assert "piper" in capsys.readouterr().out.split()
    assert commands.main(["robot", "show", "piper"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "piper"


def test_an_error_of_the_users_is_one_line_and_a_status(capsys):
    assert commands.main(["robot", "show", "nonexistent"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("mivla: ")
    assert "nonexistent" in lines[0]


def test_a_command_is_required():
    with pytest.raises(SystemExit) as ended:
        commands.main([])
    assert ended.value.code == 2


def test_every_command_says_what_it_does():
    def check(package):
        for module in commands.command_modules(package):
            assert (module.__doc__ or "").strip(), module.__name__
            if hasattr(module, "run"):
                assert hasattr(module, "add_arguments"), module.__name__
            else:
                check(module.__name__)

    check("mivla_ros.commands")

"""Build description of the overlay's ros2launch."""

from setuptools import setup

NAME = "ros2launch"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME, f"{NAME}.api", f"{NAME}.command"],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="MiVLA maintainers",
    maintainer_email="maintainers@mivla.dev",
    description="The launch command of ros2",
    license="Apache-2.0",
    entry_points={"ros2cli.command": ["launch = ros2launch.command.launch:LaunchCommand"]},
)

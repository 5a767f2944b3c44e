"""Installs mivla_bringup: launch files, configuration and RViz views."""

from glob import glob
from os.path import isfile

from setuptools import setup

PACKAGE = "mivla_bringup"

setup(
    name=PACKAGE,
    version="0.1.0",
    description="Launch files and configuration of the MiVLA suite",
    maintainer="MiVLA maintainers",
    maintainer_email="maintainers@mivla.dev",
    license="Apache-2.0",
    packages=[PACKAGE],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *(
            (f"share/{PACKAGE}/{folder}", sorted(filter(isfile, glob(f"{folder}/*"))))
            for folder in ("launch", "config", "config/ros2_control", "rviz", *sorted(glob("config/moveit/*")))
        ),
    ],
    zip_safe=False,
)

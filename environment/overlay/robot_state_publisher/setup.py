"""Build description of the overlay's robot_state_publisher."""

from setuptools import setup

NAME = "robot_state_publisher"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="MiVLA maintainers",
    maintainer_email="maintainers@mivla.dev",
    description="Frames of a robot from its URDF and joint states",
    license="Apache-2.0",
    entry_points={"console_scripts": ["robot_state_publisher = robot_state_publisher.node:main"]},
)

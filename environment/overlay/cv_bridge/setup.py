"""Build description of the overlay's cv_bridge."""

from setuptools import setup

NAME = "cv_bridge"

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
    description="Images between ROS messages and numpy arrays",
    license="Apache-2.0",
)

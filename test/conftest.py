"""Shared by all tests: every test process has a ROS domain of its own and stays on this machine."""

import os

from hypothesis import settings

from test.domain import free_domain

# the same examples in every run of CI, so that a failure there can be repeated; new ones at home
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("home", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "home")

os.environ["ROS_DOMAIN_ID"] = str(free_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

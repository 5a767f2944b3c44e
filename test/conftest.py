"""Shared by all tests: every test process has a ROS domain of its own and stays on this machine."""

import os

from test.domain import free_domain

os.environ["ROS_DOMAIN_ID"] = str(free_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

"""Descriptions are expanded without ROS, with the profile's arguments, for URDF and SRDF alike."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from mivla_ros.robots.description import DescriptionError, description_path, robot_description, robot_semantics
from mivla_ros.robots.profile import load_profile

PIPER = load_profile("piper")
SMALL = replace(PIPER, description_arguments={**PIPER.description_arguments, "gripper_travel": "0.07"})


def test_the_profiles_arguments_reach_urdf_and_srdf() -> None:
    urdf, srdf = ElementTree.fromstring(robot_description(SMALL)), ElementTree.fromstring(robot_semantics(SMALL))
    limit = urdf.find("joint[@name='gripper']/limit")
    assert limit is not None
    assert float(limit.get("upper", "nan")) == 0.07
    opened = srdf.find("group_state[@name='open']/joint[@name='gripper']")
    assert opened is not None
    assert float(opened.get("value", "nan")) == 0.07


def test_arguments_of_the_call_go_over_those_of_the_profile() -> None:
    urdf = ElementTree.fromstring(robot_description(SMALL, gripper_travel="0.1"))
    limit = urdf.find("joint[@name='gripper']/limit")
    assert limit is not None
    assert float(limit.get("upper", "nan")) == 0.1


def test_an_argument_that_cannot_be_names_file_and_value() -> None:
    with pytest.raises(DescriptionError, match=r"piper\.urdf\.xacro.*0\.5"):
        robot_description(PIPER, gripper_travel="0.5")


def test_a_file_that_is_not_there_names_the_folders_looked_in() -> None:
    with pytest.raises(DescriptionError, match=r"nobody\.xacro: not found in .*urdf"):
        description_path("nobody.xacro")

"""Demonstrations by the scripted experts, made in the simulation without ROS and written as the recorder's bags."""

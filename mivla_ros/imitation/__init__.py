"""A person's recorded motion carried out by a simulated robot, whatever file it comes in. See docs/imitation.md.

file -> ``Recording`` (``read``) -> leaders -> chunks -> the robot's own retargeting -> simulation -> report, pictures
"""

"""Measurements of retargeting that print what they find; nothing of the package needs them."""

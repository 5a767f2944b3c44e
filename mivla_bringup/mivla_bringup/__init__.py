"""How the parts of the suite are put together: launch arguments and the launch description shared by all robots."""

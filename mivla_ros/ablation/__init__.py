"""The paper's ablation in our simulation: what each part of pre-training is worth to a robot with few demonstrations.

An ablation is a list of steps, each a `mivla` command that a user could type; `steps.py` says which, `running.py` runs
those whose needs are met, `results.py` compares, `report.py` shows.
"""

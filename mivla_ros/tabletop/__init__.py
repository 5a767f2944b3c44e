"""What stands on the table and what is to be done with it: declarations only, for scenes, judges, robots' experts and
people's hands alike.

things.py      a thing: shape, size, colour; where it is taken
acts.py        an act: take a thing, bring it somewhere
table_task.py  a task: things, where they may lie, acts in order, words
catalogue.py   the tasks
paper_tasks.py the acts of the paper's three tasks, whose scenes have code of their own (simulation/tasks)
"""

"""A person's demonstrations, made in simulation: hands that do a task, seen by a head camera, written as EgoDex files.

person.py     who does it: size, skin, tempo, steadiness
track.py      where a hand is at any time: minimum-jerk parts that add up, turns, postures, unsteadiness
grips.py      how a hand takes a thing: wrist, posture
performer.py  a task's acts one after the other, looking at what came of each
viewpoint.py  head and elbows, which follow the hands
episode.py    a performance as an ``Episode``
making.py     many of them in parallel, as EgoDex files; what is there already stays
"""

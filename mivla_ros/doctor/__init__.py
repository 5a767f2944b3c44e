"""The first minute at a robot: what was collected of it in, findings with advice out. No ROS in here.

``collected`` is what a look at the live graph yields (``nodes/doctor_node.py`` takes it); ``topics``, ``joints``,
``cameras``, ``frames``, ``motions``, ``agreement`` and ``replay`` each examine a part; ``examine`` calls them all.
"""

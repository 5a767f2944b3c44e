"""A person's two hands in the simulation: ARKit's 25 joints each, drawn, moved by whoever says where they are.

anatomy.py     joints, bones and postures of one hand
hand_bodies.py hands, forearms and the head's camera as MuJoCo bodies
hand_scene.py  hands and a task in one scene: stepped, judged, drawn
"""

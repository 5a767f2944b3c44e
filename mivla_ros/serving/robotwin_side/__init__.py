"""RoboTwin's side of `mivla serve --protocol robotwin`: a policy folder for its ``policy/``; needs NumPy only."""

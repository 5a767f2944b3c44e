"""Programs that other packages' own Pythons run: each imports that package and nothing of ours."""

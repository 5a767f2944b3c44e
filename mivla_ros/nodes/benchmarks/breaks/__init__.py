"""What happens when something breaks, measured on a live graph of real processes.

    python -m mivla_ros.nodes.benchmarks.breaks --out docs/when_things_break.md

Files: ``graph`` the processes, ``injector`` the relay that spoils streams, ``witness`` what is seen from outside,
``scene`` the three together, ``cases`` the faults one by one, ``measurement`` what a stop was like, ``table`` the page.
"""

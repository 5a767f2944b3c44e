"""The paper's protocol in simulation: success, completion of sub-tasks and seconds, over paired seeds and conditions.

Stages, each in a file of its own::

    conditions   easy, hard, unseen place, unseen object: which scene a seed gives
    smoothness   what a robot feels of the commands: jumps of the velocity where chunks join
    rollout      one seed of one condition through the robot's own inference and retargeting code
    campaign     all of them, in parallel, resumable
    intervals    bootstrap intervals and paired differences
    film         videos of successes and failures
    html_report  one page with tables and plots
"""

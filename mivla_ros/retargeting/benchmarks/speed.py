"""How long retargeting takes, beside other solvers that are installed, as ratios within one run::

    python -m mivla_ros.retargeting.benchmarks.speed

Every solver gets the same smooth paths of 64 poses, warm; the solvers take turns over several rounds, and medians are
printed, so that other load on the machine hits all of them. Prints Markdown.
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space
from mivla_ros.kinematics import Chain, forward_kinematics, solve_path, solve_pose
from mivla_ros.retargeting.benchmarks.arms import arm_urdf, arms
from mivla_ros.retargeting.benchmarks.smoothness import HORIZON, MAX_STEP, STEP, clean_path
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.retargeter import IDENTITY, Retargeter, RetargetingOptions
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

Array = NDArray[np.float64]
Task = Callable[[int], object]

PATHS = 8
TOLERANCE = (1e-4, np.deg2rad(0.1))


def installed(*modules: str) -> bool:
    """Whether all of them can be imported."""
    return all(find_spec(module) is not None for module in modules)


def pinocchio_loop(chain: Chain, poses: list[Array], seeds: list[Array]) -> Task | None:
    """Damped least squares from a Python loop over pinocchio; None where it is not installed."""
    if not installed("pinocchio"):
        return None
    import pinocchio

    model = pinocchio.buildModelFromXML(arm_urdf("piper"))
    data, frame = model.createData(), model.getFrameId(chain.tip)
    columns = [model.joints[model.getJointId(name)].idx_q for name in chain.joint_names]
    speeds = [model.joints[model.getJointId(name)].idx_v for name in chain.joint_names]
    targets = [[pinocchio.XYZQUATToSE3(np.r_[p[:3], p[4:], p[3]]) for p in path] for path in poses]

    def task(k: int) -> Array:
        q, found = pinocchio.neutral(model), np.empty((HORIZON, chain.size))
        q[columns] = seeds[k]
        for row, target in enumerate(targets[k]):
            for _ in range(100):
                pinocchio.framesForwardKinematics(model, data, q)
                error = pinocchio.log6(data.oMf[frame].actInv(target)).vector
                if np.linalg.norm(error[:3]) < 1e-4 and np.linalg.norm(error[3:]) < 1e-3:
                    break
                jac = pinocchio.computeFrameJacobian(model, data, q, frame)[:, speeds]
                step = jac.T @ np.linalg.solve(jac @ jac.T + 1e-6 * np.eye(6), error)
                q[columns] = np.clip(q[columns] + step, chain.lower, chain.upper)
            found[row] = q[columns]
        return found

    return task


def roboticstoolbox_loop(chain: Chain, poses: list[Array], seeds: list[Array]) -> Task | None:
    """The compiled ``ik_LM`` of roboticstoolbox (chan, tol 1e-9), pose by pose; None where it is not installed."""
    if not installed("roboticstoolbox"):
        return None
    from scipy.spatial.transform import Rotation

    toolbox = import_module("roboticstoolbox")
    parts = []
    for k in range(chain.size + 1):
        fixed = np.eye(4)
        fixed[:3, :3], fixed[:3, 3] = chain.rotations[k], chain.translations[k]
        parts.append(toolbox.ET.SE3(fixed))
        if k < chain.size:
            parts.append(toolbox.ET.Rz(qlim=[chain.lower[k], chain.upper[k]]))
    ets = toolbox.ETS(parts)
    targets = []
    for path in poses:
        matrices = np.tile(np.eye(4), (len(path), 1, 1))
        matrices[:, :3, :3] = Rotation.from_quat(path[:, 3:], scalar_first=True).as_matrix()
        matrices[:, :3, 3] = path[:, :3]
        targets.append(matrices)

    def task(k: int) -> Array:
        q = seeds[k]
        for target in targets[k]:
            q = ets.ik_LM(target, q0=q, method="chan", tol=1e-9)[0]
        return q

    return task


def mink_loop(chain: Chain, poses: list[Array], seeds: list[Array]) -> Task | None:
    """mink, differential steps with daqp until converged; None where it or MuJoCo is not installed."""
    if not installed("mink", "mujoco", "daqp"):
        return None
    import mujoco

    mink = import_module("mink")
    model = mujoco.MjModel.from_xml_string(arm_urdf("piper"))
    configuration = mink.Configuration(model)
    columns = [model.joint(name).qposadr[0] for name in chain.joint_names]
    body = mink.FrameTask("link6", "body", position_cost=1.0, orientation_cost=1.0, lm_damping=1e-6)
    tasks = [[mink.SE3(np.r_[p[3:], p[:3]]) for p in path] for path in poses]

    def task(k: int) -> Array:
        q = np.zeros(model.nq)
        q[columns] = seeds[k]
        configuration.update(q)
        for target in tasks[k]:
            body.set_target(target)
            for _ in range(2):
                velocity = mink.solve_ik(configuration, [body], 1.0, "daqp", damping=1e-6)
                configuration.integrate_inplace(velocity, 1.0)
        return configuration.q

    return task


def pink_loop(chain: Chain, poses: list[Array], seeds: list[Array]) -> Task | None:
    """pink, two differential steps a pose with daqp; None where it is not installed."""
    if not installed("pink", "pinocchio", "daqp"):
        return None
    import pinocchio

    pink = import_module("pink")
    model = pinocchio.buildModelFromXML(arm_urdf("piper"))
    columns = [model.joints[model.getJointId(name)].idx_q for name in chain.joint_names]
    frame = pink.FrameTask(chain.tip, position_cost=1.0, orientation_cost=1.0)
    targets = [[pinocchio.XYZQUATToSE3(np.r_[p[:3], p[4:], p[3]]) for p in path] for path in poses]

    def task(k: int) -> Array:
        q = pinocchio.neutral(model)
        q[columns] = seeds[k]
        configuration = pink.Configuration(model, model.createData(), q)
        for target in targets[k]:
            frame.set_target(target)
            for _ in range(2):
                velocity = pink.solve_ik(configuration, [frame], 1.0, solver="daqp", damping=1e-6)
                configuration.integrate_inplace(velocity, 1.0)
        return configuration.q

    return task


def whole_chunk(horizon: int, collisions: bool) -> Task:
    """Retargeting of one arm's chunk in the middle of a motion: smoothing, kinematics, limits, join, collisions."""
    profile = load_profile("piper")
    retargeter = Retargeter(profile, robot_description(profile), RetargetingOptions(collisions=collisions))
    arm = profile.arms[0]
    chain = retargeter.arms[arm.name].chain

    def chunk(begin: float, first_ns: int) -> ActionChunk:
        waves = 1 - np.cos(np.outer(begin + np.arange(horizon) * STEP, [1.1, 0.9, 1.3, 1.0, 1.2, 0.7]))
        poses = forward_kinematics(chain, np.array(arm.ready) + 0.2 * waves * [1, 0.5, 0.5, 1, 0.5, 1])
        actions = ArmActions(arm.name, Space.EEF, arm.eef_frame, poses, np.ones(horizon))
        step_ns = round(STEP * NANOSECONDS)
        return ActionChunk(
            arm.base_frame, first_ns, step_ns, horizon, (actions,), valid_until_ns=first_ns + horizon * step_ns
        )

    resting = JointTrajectory.resting(arm.joints, np.array(arm.ready), 0, retargeter.period_ns)
    running = {arm.name: ArmMotion(resting, retargeter.resting_gripper(arm, 0.1, 0))}
    base = {arm.name: IDENTITY}
    motions = retargeter.retarget(chunk(0.0, 0), running, 0, base).motions
    splice_ns = NANOSECONDS // 5
    newer = chunk(0.2, splice_ns)
    return lambda k: retargeter.retarget(newer, motions, splice_ns, base)


def rounds_of(tasks: dict[str, Task], rounds: int) -> dict[str, Array]:
    """Milliseconds (rounds * PATHS,) of every task, taken in turns."""
    for task in tasks.values():
        task(0)  # compiles
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            for k in range(PATHS):
                began = time.perf_counter()
                task(k)
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: np.array(values) for name, values in times.items()}


def cold_share(chain: Chain, count: int, seed: int = 1) -> tuple[float, float]:
    """Share of random reachable poses solved from nothing within TOLERANCE, and median microseconds of one."""
    rng = np.random.default_rng(seed)
    poses = forward_kinematics(chain, rng.uniform(chain.lower, chain.upper, (count, chain.size)))
    solve_pose(chain, poses[0])
    solved, times = 0, []
    for pose in poses:
        began = time.perf_counter()
        found = solve_pose(chain, pose)
        times.append(time.perf_counter() - began)
        solved += found.position_error <= TOLERANCE[0] and found.rotation_error <= TOLERANCE[1]
    return solved / count, 1e6 * float(np.median(times))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every solver (default %(default)s)")
    parser.add_argument("--cold", type=int, default=2000, help="random poses an arm (default %(default)s)")
    arguments = parser.parse_args()
    chain, rng = arms()["piper"], np.random.default_rng(0)
    paths = [clean_path(chain, rng) for _ in range(PATHS)]
    poses, seeds = [forward_kinematics(chain, path) for path in paths], [path[0] for path in paths]
    own = "this suite, inverse kinematics (numba)"
    tasks: dict[str, Task] = {own: lambda k: solve_path(chain, poses[k], seeds[k], MAX_STEP)}
    missing = []
    for name, make in (
        ("pinocchio, damped least squares in a Python loop", pinocchio_loop),
        ("roboticstoolbox ik_LM (chan)", roboticstoolbox_loop),
        ("mink (daqp), two steps a pose", mink_loop),
        ("pink (daqp), two steps a pose", pink_loop),
    ):
        try:
            task = make(chain, poses, seeds)
        except ImportError as error:  # something that it needs itself
            missing.append((name, f"not installed: {error}"))
            continue
        if task is None:
            missing.append((name, "not installed"))
        else:
            tasks[name] = task
    for horizon in (16, 64):
        tasks[f"whole chunk of {horizon} steps, one arm, no collisions"] = whole_chunk(horizon, False)
        tasks[f"whole chunk of {horizon} steps, one arm, every limit"] = whole_chunk(horizon, True)
    times = rounds_of(tasks, arguments.rounds)
    print("64 poses of PiPER, warm, unless another number is said; one thread.\n")
    print("| | median ms | 95th percentile ms | ratio |\n|---|--:|--:|--:|")
    unit = float(np.median(times[own]))
    for name, values in times.items():
        median = float(np.median(values))
        print(f"| {name} | {median:.3f} | {np.percentile(values, 95):.3f} | {median / unit:.1f} |")
    for name, why in missing:
        print(f"| {name} | {why} | | |")
    print("\n| arm | poses solved from nothing to 0.1 mm and 0.1 degree | median us |\n|---|--:|--:|")
    for name, arm in arms().items():
        share, microseconds = cold_share(arm, arguments.cold)
        print(f"| {name} | {100 * share:.2f} % of {arguments.cold} | {microseconds:.0f} |")


if __name__ == "__main__":
    main()

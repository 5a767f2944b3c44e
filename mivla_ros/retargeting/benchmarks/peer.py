"""One other solver, in the peers' own environment: ``python peer.py PROBLEM.npz SOLVER``.

Runs as a script and imports nothing of this package, since that is not installed there. Says on standard output that
it is ready and in which version, or why it cannot run; then solves path k for every line "k" that it reads, and
answers with the time taken and the joint values, as JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

Solve = Callable[[int], np.ndarray]

TOLERANCE = (1e-4, np.deg2rad(0.1))
MOST_STEPS = 100


class Problem:
    """The arm and the paths, as ``peers.write_problem`` leaves them."""

    def __init__(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as data:
            self.urdf, self.base, self.tip, self.last_link = (
                str(data[name]) for name in ("urdf", "base", "tip", "last_link")
            )
            self.joints = [str(name) for name in data["joints"]]
            self.lower, self.upper = data["lower"], data["upper"]
            self.rotations, self.translations = data["rotations"], data["translations"]
            self.poses, self.seeds = data["poses"], data["seeds"]

    def matrices(self) -> np.ndarray:
        """The poses as (P, H, 4, 4)."""
        w, x, y, z = np.moveaxis(self.poses[..., 3:], -1, 0)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        matrices = np.zeros((*self.poses.shape[:-1], 4, 4))
        for i in range(3):
            for j in range(3):
                matrices[..., i, j] = rows[i][j]
        matrices[..., :3, 3] = self.poses[..., :3]
        matrices[..., 3, 3] = 1.0
        return matrices


def pinocchio_loop(problem: Problem) -> tuple[Solve, str]:
    """Damped least squares from a Python loop over pinocchio."""
    import pinocchio

    model = pinocchio.buildModelFromXML(problem.urdf)
    data, frame = model.createData(), model.getFrameId(problem.tip)
    columns = [model.joints[model.getJointId(name)].idx_q for name in problem.joints]
    speeds = [model.joints[model.getJointId(name)].idx_v for name in problem.joints]
    targets = [[pinocchio.SE3(m) for m in path] for path in problem.matrices()]

    def solve(k: int) -> np.ndarray:
        q, found = pinocchio.neutral(model), np.empty((len(targets[k]), len(columns)))
        q[columns] = problem.seeds[k]
        for row, target in enumerate(targets[k]):
            for _ in range(MOST_STEPS):
                pinocchio.framesForwardKinematics(model, data, q)
                error = pinocchio.log6(data.oMf[frame].actInv(target)).vector
                if np.linalg.norm(error[:3]) < TOLERANCE[0] and np.linalg.norm(error[3:]) < TOLERANCE[1]:
                    break
                jac = pinocchio.computeFrameJacobian(model, data, q, frame)[:, speeds]
                step = jac.T @ np.linalg.solve(jac @ jac.T + 1e-6 * np.eye(6), error)
                q[columns] = np.clip(q[columns] + step, problem.lower, problem.upper)
            found[row] = q[columns]
        return found

    return solve, f"pin {pinocchio.__version__}"


def roboticstoolbox_loop(problem: Problem) -> tuple[Solve, str]:
    """The compiled ``ik_LM`` of roboticstoolbox (chan), pose by pose, at the tolerance that this error asks for."""
    from importlib.metadata import version

    import roboticstoolbox as toolbox

    parts = []
    for k in range(len(problem.joints) + 1):
        fixed = np.eye(4)
        fixed[:3, :3], fixed[:3, 3] = problem.rotations[k], problem.translations[k]
        parts.append(toolbox.ET.SE3(fixed))
        if k < len(problem.joints):
            parts.append(toolbox.ET.Rz(qlim=[problem.lower[k], problem.upper[k]]))
    ets, targets = toolbox.ETS(parts), problem.matrices()

    def solve(k: int) -> np.ndarray:
        q, found = problem.seeds[k], np.empty((len(targets[k]), len(problem.joints)))
        for row, target in enumerate(targets[k]):
            q = ets.ik_LM(target, q0=q, method="chan", tol=0.5 * TOLERANCE[0] ** 2)[0]
            found[row] = q
        return found

    return solve, f"roboticstoolbox-python {version('roboticstoolbox-python')}"


def mink_loop(problem: Problem) -> tuple[Solve, str]:
    """mink, differential steps with daqp until within the tolerance."""
    from importlib.metadata import version

    import mink
    import mujoco

    model = mujoco.MjModel.from_xml_string(problem.urdf)
    configuration = mink.Configuration(model)
    columns = [model.joint(name).qposadr[0] for name in problem.joints]
    body = mink.FrameTask(problem.last_link, "body", position_cost=1.0, orientation_cost=1.0, lm_damping=1e-6)
    link_from_tip = np.eye(4)
    link_from_tip[:3, :3], link_from_tip[:3, 3] = problem.rotations[-1], problem.translations[-1]
    tip = mink.SE3.from_matrix(link_from_tip).inverse()
    targets = [[mink.SE3.from_matrix(m) @ tip for m in path] for path in problem.matrices()]
    limits = [mink.ConfigurationLimit(model)]

    def solve(k: int) -> np.ndarray:
        q, found = np.zeros(model.nq), np.empty((len(targets[k]), len(columns)))
        q[columns] = problem.seeds[k]
        configuration.update(q)
        for row, target in enumerate(targets[k]):
            body.set_target(target)
            for _ in range(MOST_STEPS):
                error = body.compute_error(configuration)
                if np.linalg.norm(error[:3]) < TOLERANCE[0] and np.linalg.norm(error[3:]) < TOLERANCE[1]:
                    break
                velocity = mink.solve_ik(configuration, [body], 1.0, "daqp", damping=1e-6, limits=limits)
                configuration.integrate_inplace(velocity, 1.0)
            found[row] = configuration.q[columns]
        return found

    return solve, f"mink {version('mink')}"


def pink_loop(problem: Problem) -> tuple[Solve, str]:
    """pink, differential steps with daqp until within the tolerance."""
    from importlib.metadata import version

    import pink
    import pinocchio

    model = pinocchio.buildModelFromXML(problem.urdf)
    columns = [model.joints[model.getJointId(name)].idx_q for name in problem.joints]
    frame = pink.FrameTask(problem.tip, position_cost=1.0, orientation_cost=1.0)
    targets = [[pinocchio.SE3(m) for m in path] for path in problem.matrices()]
    limits = [pink.limits.ConfigurationLimit(model)]

    def solve(k: int) -> np.ndarray:
        q, found = pinocchio.neutral(model), np.empty((len(targets[k]), len(columns)))
        q[columns] = problem.seeds[k]
        configuration = pink.Configuration(model, model.createData(), q)
        for row, target in enumerate(targets[k]):
            frame.set_target(target)
            for _ in range(MOST_STEPS):
                error = frame.compute_error(configuration)
                if np.linalg.norm(error[:3]) < TOLERANCE[0] and np.linalg.norm(error[3:]) < TOLERANCE[1]:
                    break
                velocity = pink.solve_ik(configuration, [frame], 1.0, solver="daqp", damping=1e-6, limits=limits)
                configuration.integrate_inplace(velocity, 1.0)
            found[row] = configuration.q[columns]
        return found

    return solve, f"pin-pink {version('pin-pink')}"


def trac_ik_loop(problem: Problem) -> tuple[Solve, str]:
    """TRAC-IK through pytracik (Speed, 5 ms at most a pose)."""
    from importlib.metadata import version

    from trac_ik import TracIK

    with tempfile.NamedTemporaryFile("w", suffix=".urdf") as file:
        file.write(str(problem.urdf))
        file.flush()
        solver = TracIK(problem.base, problem.tip, file.name, timeout=0.005, epsilon=1e-5, solver_type="Speed")
    targets = problem.matrices()

    def solve(k: int) -> np.ndarray:
        q, found = problem.seeds[k], np.empty((len(targets[k]), len(problem.joints)))
        for row, target in enumerate(targets[k]):
            answer = solver.ik(target[:3, 3], target[:3, :3], q)
            q = q if answer is None else np.asarray(answer)
            found[row] = q
        return found

    return solve, f"pytracik {version('pytracik')}"


SOLVERS = {
    "roboticstoolbox": roboticstoolbox_loop,
    "trac_ik": trac_ik_loop,
    "pinocchio": pinocchio_loop,
    "mink": mink_loop,
    "pink": pink_loop,
}


def main() -> None:
    """Answer until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    try:
        solve, version = SOLVERS[sys.argv[2]](Problem(sys.argv[1]))
        solve(0)
    except Exception as error:  # whatever a peer raises, the others are still measured
        print(json.dumps({"why": f"{type(error).__name__}: {error}"}), file=answers, flush=True)
        return
    print(json.dumps({"version": version}), file=answers, flush=True)
    for line in sys.stdin:
        wall, busy = time.perf_counter(), time.process_time()
        q = solve(int(line))
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        print(json.dumps({"wall": wall, "busy": busy, "q": q.tolist()}), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""The compiled loops of kinematics: forward kinematics, Jacobian, damped steps and Levenberg-Marquardt within
limits.

Arrays are float64 and C-contiguous. A pose is held as a rotation matrix and a translation. Errors are twists
in the base frame: target minus current position (m), then the rotation vector from current to target (rad).
Rotations weigh ``length`` metres a radian. Joints stay within their bounds by projection: a joint at a bound
that the gradient pushes outwards is left out of the step.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.compilation import compiled

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

REACHED, SLOWED, UNREACHABLE = 0, 1, 2
_MIN_DAMPING, _MAX_DAMPING = 1e-9, 1e3
_BISECTIONS = 5
_FAR = 5.0  # times near_reach: an unreachable pose farther away than this is not leant towards


@compiled
def chain_pose(
    rotations: Array,
    translations: Array,
    prismatic: Flags,
    q: Array,
    rotation: Array,
    position: Array,
    jac: Array,
) -> None:
    """Write the tip's rotation (3, 3), position (3,) and geometric Jacobian (6, n), all in the base frame."""
    n = q.shape[0]
    for i in range(3):
        position[i] = 0.0
        for j in range(3):
            rotation[i, j] = 1.0 if i == j else 0.0
    for k in range(n + 1):
        for i in range(3):
            r0, r1, r2 = rotation[i, 0], rotation[i, 1], rotation[i, 2]
            position[i] += r0 * translations[k, 0] + r1 * translations[k, 1] + r2 * translations[k, 2]
            for j in range(3):
                rotation[i, j] = r0 * rotations[k, 0, j] + r1 * rotations[k, 1, j] + r2 * rotations[k, 2, j]
        if k == n:
            break
        # The upper half holds the joint's origin until the tip is known.
        if prismatic[k]:
            for i in range(3):
                jac[i, k] = rotation[i, 2]
                jac[3 + i, k] = 0.0
                position[i] += rotation[i, 2] * q[k]
        else:
            c, s = np.cos(q[k]), np.sin(q[k])
            for i in range(3):
                jac[i, k] = position[i]
                jac[3 + i, k] = rotation[i, 2]
                x, y = rotation[i, 0], rotation[i, 1]
                rotation[i, 0] = c * x + s * y
                rotation[i, 1] = c * y - s * x
    for k in range(n):
        if not prismatic[k]:
            dx, dy, dz = position[0] - jac[0, k], position[1] - jac[1, k], position[2] - jac[2, k]
            jac[0, k] = jac[4, k] * dz - jac[5, k] * dy
            jac[1, k] = jac[5, k] * dx - jac[3, k] * dz
            jac[2, k] = jac[3, k] * dy - jac[4, k] * dx


@compiled
def matrix_from_quaternion(pose: Array, rotation: Array) -> None:
    """Write the rotation matrix of a pose (7,), whose quaternion may have any length above zero."""
    w, x, y, z = pose[3], pose[4], pose[5], pose[6]
    s = 2.0 / (w * w + x * x + y * y + z * z)
    rotation[0, 0] = 1.0 - s * (y * y + z * z)
    rotation[0, 1] = s * (x * y - w * z)
    rotation[0, 2] = s * (x * z + w * y)
    rotation[1, 0] = s * (x * y + w * z)
    rotation[1, 1] = 1.0 - s * (x * x + z * z)
    rotation[1, 2] = s * (y * z - w * x)
    rotation[2, 0] = s * (x * z - w * y)
    rotation[2, 1] = s * (y * z + w * x)
    rotation[2, 2] = 1.0 - s * (x * x + y * y)


@compiled
def quaternion_from_matrix(rotation: Array, pose: Array) -> None:
    """Write the quaternion of a rotation matrix into pose[3:7], wxyz with w >= 0."""
    t = rotation[0, 0] + rotation[1, 1] + rotation[2, 2]
    if t > 0.0:
        s = 2.0 * np.sqrt(1.0 + t)
        w = 0.25 * s
        x = (rotation[2, 1] - rotation[1, 2]) / s
        y = (rotation[0, 2] - rotation[2, 0]) / s
        z = (rotation[1, 0] - rotation[0, 1]) / s
    elif rotation[0, 0] >= rotation[1, 1] and rotation[0, 0] >= rotation[2, 2]:
        s = 2.0 * np.sqrt(1.0 + rotation[0, 0] - rotation[1, 1] - rotation[2, 2])
        w = (rotation[2, 1] - rotation[1, 2]) / s
        x = 0.25 * s
        y = (rotation[0, 1] + rotation[1, 0]) / s
        z = (rotation[0, 2] + rotation[2, 0]) / s
    elif rotation[1, 1] >= rotation[2, 2]:
        s = 2.0 * np.sqrt(1.0 + rotation[1, 1] - rotation[0, 0] - rotation[2, 2])
        w = (rotation[0, 2] - rotation[2, 0]) / s
        x = (rotation[0, 1] + rotation[1, 0]) / s
        y = 0.25 * s
        z = (rotation[1, 2] + rotation[2, 1]) / s
    else:
        s = 2.0 * np.sqrt(1.0 + rotation[2, 2] - rotation[0, 0] - rotation[1, 1])
        w = (rotation[1, 0] - rotation[0, 1]) / s
        x = (rotation[0, 2] + rotation[2, 0]) / s
        y = (rotation[1, 2] + rotation[2, 1]) / s
        z = 0.25 * s
    sign = -1.0 if w < 0.0 else 1.0
    pose[3], pose[4], pose[5], pose[6] = sign * w, sign * x, sign * y, sign * z


@compiled
def pose_error(
    target_rotation: Array, target_position: Array, rotation: Array, position: Array, error: Array
) -> tuple[float, float]:
    """Write the error twist (6,) and return its two lengths: metres, radians."""
    for i in range(3):
        error[i] = target_position[i] - position[i]
    # m = target * current^T; only what the rotation vector needs
    m00 = m11 = m22 = m01 = m02 = m10 = m12 = m20 = m21 = 0.0
    for j in range(3):
        m00 += target_rotation[0, j] * rotation[0, j]
        m11 += target_rotation[1, j] * rotation[1, j]
        m22 += target_rotation[2, j] * rotation[2, j]
        m01 += target_rotation[0, j] * rotation[1, j]
        m10 += target_rotation[1, j] * rotation[0, j]
        m02 += target_rotation[0, j] * rotation[2, j]
        m20 += target_rotation[2, j] * rotation[0, j]
        m12 += target_rotation[1, j] * rotation[2, j]
        m21 += target_rotation[2, j] * rotation[1, j]
    x, y, z = 0.5 * (m21 - m12), 0.5 * (m02 - m20), 0.5 * (m10 - m01)
    sine = np.sqrt(x * x + y * y + z * z)
    cosine = 0.5 * (m00 + m11 + m22 - 1.0)
    angle = np.arctan2(sine, cosine)
    if sine > 1e-7:
        factor = angle / sine
        error[3], error[4], error[5] = x * factor, y * factor, z * factor
    elif cosine > 0.0:
        error[3], error[4], error[5] = x, y, z
    else:  # half a turn: the axis is the longest column of m + 1
        ax, ay, az = m00 + 1.0, m10, m20
        if m11 > m00 and m11 >= m22:
            ax, ay, az = m01, m11 + 1.0, m21
        elif m22 > m00 and m22 > m11:
            ax, ay, az = m02, m12, m22 + 1.0
        factor = angle / np.sqrt(ax * ax + ay * ay + az * az)
        error[3], error[4], error[5] = ax * factor, ay * factor, az * factor
    return np.sqrt(error[0] ** 2 + error[1] ** 2 + error[2] ** 2), angle


@compiled
def _damped_step(
    jac: Array, error: Array, q: Array, lower: Array, upper: Array, length: float, damping: float, work: Array
) -> None:
    """Write q + step into work[n]; work is (n + 3, n): normal matrix, result, gradient, free joints.

    One step of damped least squares over the joints that are free to move, clamped to the bounds.
    """
    n = q.shape[0]
    weight = length * length
    for i in range(n):
        gradient = 0.0
        for r in range(3):
            gradient += jac[r, i] * error[r] + weight * jac[3 + r, i] * error[3 + r]
        work[n + 1, i] = gradient
        blocked = (q[i] <= lower[i] and gradient < 0.0) or (q[i] >= upper[i] and gradient > 0.0)
        work[n + 2, i] = 0.0 if blocked else 1.0
    for i in range(n):
        for j in range(i + 1):
            value = 0.0
            if work[n + 2, i] > 0.0 and work[n + 2, j] > 0.0:
                for r in range(3):
                    value += jac[r, i] * jac[r, j] + weight * jac[3 + r, i] * jac[3 + r, j]
            if i == j:
                value = value + damping if work[n + 2, i] > 0.0 else 1.0
            work[i, j] = value
        if work[n + 2, i] == 0.0:
            work[n + 1, i] = 0.0
    # Cholesky in the lower half, then two triangular solves
    for i in range(n):
        for j in range(i + 1):
            value = work[i, j]
            for k in range(j):
                value -= work[i, k] * work[j, k]
            work[i, j] = np.sqrt(max(value, 1e-18)) if i == j else value / work[j, j]
    for i in range(n):
        value = work[n + 1, i]
        for k in range(i):
            value -= work[i, k] * work[n, k]
        work[n, i] = value / work[i, i]
    for i in range(n - 1, -1, -1):
        value = work[n, i]
        for k in range(i + 1, n):
            value -= work[k, i] * work[n, k]
        work[n, i] = value / work[i, i]
    for i in range(n):
        work[n, i] = min(max(q[i] + work[n, i], lower[i]), upper[i])


@compiled
def levenberg_marquardt(
    rotations: Array,
    translations: Array,
    prismatic: Flags,
    lower: Array,
    upper: Array,
    target_rotation: Array,
    target_position: Array,
    q: Array,
    length: float,
    position_tolerance: float,
    rotation_tolerance: float,
    iterations: int,
) -> tuple[float, float]:
    """Move q (n,) in place to the nearest minimum of the pose error; return the error left: metres, radians.

    Levenberg-Marquardt: the damping follows the success of the last step; stops within both tolerances, when
    the error does not get smaller any more, or after ``iterations``.
    """
    n = q.shape[0]
    rotation, position, jac = np.empty((3, 3)), np.empty(3), np.empty((6, n))
    new_rotation, new_position, new_jac = np.empty((3, 3)), np.empty(3), np.empty((6, n))
    error, new_error = np.empty(6), np.empty(6)
    work = np.empty((n + 3, n))
    chain_pose(rotations, translations, prismatic, q, rotation, position, jac)
    metres, radians = pose_error(target_rotation, target_position, rotation, position, error)
    cost = metres * metres + length * length * radians * radians
    damping = min(max(0.1 * cost, 1e-7), 1e-2)
    slow = 0
    for _ in range(iterations):
        if metres <= position_tolerance and radians <= rotation_tolerance:
            break
        _damped_step(jac, error, q, lower, upper, length, damping, work)
        chain_pose(rotations, translations, prismatic, work[n], new_rotation, new_position, new_jac)
        new_metres, new_radians = pose_error(target_rotation, target_position, new_rotation, new_position, new_error)
        new_cost = new_metres * new_metres + length * length * new_radians * new_radians
        if new_cost < cost:
            slow = slow + 1 if new_cost > 0.98 * cost else 0
            q[:] = work[n]
            jac, new_jac = new_jac, jac
            error, new_error = new_error, error
            metres, radians, cost = new_metres, new_radians, new_cost
            damping = max(0.15 * damping, _MIN_DAMPING)
        else:
            slow += 1
            damping *= 6.0
        if slow >= 6 or damping > _MAX_DAMPING:
            break
    return metres, radians


@compiled
def solve_pose_kernel(
    rotations: Array,
    translations: Array,
    prismatic: Flags,
    lower: Array,
    upper: Array,
    target: Array,
    seeds: Array,
    near: Array,
    length: float,
    position_tolerance: float,
    rotation_tolerance: float,
    iterations: int,
    wanted: int,
    q: Array,
) -> tuple[float, float, int]:
    """Solve one pose (7,) from seeds (S, n) in turn, until ``wanted`` of them led to a solution.

    Writes the solution nearest to ``near`` (largest joint difference), or the least error where there is
    none, into q (n,). Returns its error in metres and radians, and the number of seeds used.
    """
    target_rotation, target_position = np.empty((3, 3)), target[:3].copy()
    matrix_from_quaternion(target, target_rotation)
    trial = np.empty(q.shape[0])
    best_metres, best_radians, best_cost, best_distance = np.inf, np.inf, np.inf, np.inf
    found = used = 0
    for s in range(seeds.shape[0]):
        trial[:] = seeds[s]
        metres, radians = levenberg_marquardt(
            rotations, translations, prismatic, lower, upper, target_rotation, target_position, trial,
            length, position_tolerance, rotation_tolerance, iterations,
        )  # fmt: skip
        used += 1
        reached = metres <= position_tolerance and radians <= rotation_tolerance
        distance = np.max(np.abs(trial - near))
        cost = metres * metres + length * length * radians * radians
        better = distance < best_distance if reached else (found == 0 and cost < best_cost)
        if better:
            q[:] = trial
            best_metres, best_radians, best_cost = metres, radians, cost
            best_distance = distance if reached else np.inf
        if reached:
            found += 1
            if found >= wanted:
                break
    return best_metres, best_radians, used


@compiled
def solve_path_kernel(
    rotations: Array,
    translations: Array,
    prismatic: Flags,
    lower: Array,
    upper: Array,
    targets: Array,
    seed: Array,
    bound: Array,
    escape_seeds: Array,
    length: float,
    damped_steps: int,
    damping: float,
    aim: Array,
    reach: Array,
    near_reach: Array,
    gain: float,
    iterations: int,
    path: Array,
    errors: Array,
    status: NDArray[np.int64],
) -> None:
    """Solve poses (H, 7) along a path, each from the one before; writes path (H, n), errors (H, 2) in m and
    rad, status (H,).

    aim, reach, near_reach: (metres, radians) at which the solver stops, a step counts as reached, and bounded
    joint motion is preferred to a reached step. Every pose takes ``damped_steps`` damped steps, which keep
    joints calm near singularities; where they leave more than ``reach``, Levenberg-Marquardt goes on nearby,
    where a motion of the joints does it of at most ``gain`` rad (or m) for each metre of error left. No joint moves
    more than ``bound`` (n,) between two poses. escape_seeds (S, n) are tried for the first pose only, so that no
    branch is changed on the way. An unreachable
    pose is followed along the straight way to it as far as it can be reached.
    """
    n = seed.shape[0]
    q, before, trial = seed.copy(), seed.copy(), np.empty(n)
    low, high = lower.copy(), upper.copy()
    target_rotation, target_position = np.empty((3, 3)), np.empty(3)
    rotation, position, jac, error = np.empty((3, 3)), np.empty(3), np.empty((6, n)), np.empty(6)
    work, held = np.empty((n + 3, n)), np.empty(7)
    way = np.empty(7)
    for k in range(targets.shape[0]):
        matrix_from_quaternion(targets[k], target_rotation)
        target_position[:] = targets[k, :3]
        before[:] = q
        status[k] = REACHED
        if k > 0:
            for i in range(n):
                low[i] = max(lower[i], before[i] - bound[i])
                high[i] = min(upper[i], before[i] + bound[i])
        for step in range(damped_steps + 1):
            chain_pose(rotations, translations, prismatic, q, rotation, position, jac)
            metres, radians = pose_error(target_rotation, target_position, rotation, position, error)
            if step == damped_steps or (metres <= aim[0] and radians <= aim[1]):
                break
            _damped_step(jac, error, q, low, high, length, damping, work)
            q[:] = work[n]
        if not (metres <= reach[0] and radians <= reach[1]):
            trial[:] = q
            if k > 0:
                near = gain * np.sqrt(metres * metres + length * length * radians * radians)
                for i in range(n):
                    low[i] = max(low[i], q[i] - near)
                    high[i] = min(high[i], q[i] + near)
            new_metres, new_radians = levenberg_marquardt(
                rotations, translations, prismatic, low, high, target_rotation, target_position, trial,
                length, aim[0], aim[1], iterations,
            )  # fmt: skip
            solved = new_metres <= reach[0] and new_radians <= reach[1]
            if k == 0 and not solved:
                new_metres, new_radians, _ = solve_pose_kernel(
                    rotations, translations, prismatic, lower, upper, targets[0], escape_seeds, before,
                    length, aim[0], aim[1], iterations, 4, trial,
                )  # fmt: skip
                solved = new_metres <= reach[0] and new_radians <= reach[1]
            if solved:
                q[:] = trial
                metres, radians = new_metres, new_radians
                hold = False
            elif metres <= near_reach[0] and radians <= near_reach[1]:
                status[k] = SLOWED
                hold = False
            else:
                # would it be met if the joints could move as far as they liked?
                trial[:] = q
                new_metres, new_radians = levenberg_marquardt(
                    rotations, translations, prismatic, lower, upper, target_rotation, target_position, trial,
                    length, aim[0], aim[1], iterations,
                )  # fmt: skip
                solved = k > 0 and new_metres <= reach[0] and new_radians <= reach[1]
                status[k] = SLOWED if solved else UNREACHABLE
                hold = not solved and (metres > _FAR * near_reach[0] or radians > _FAR * near_reach[1])
            if hold:
                q[:] = before
                chain_pose(rotations, translations, prismatic, q, rotation, position, jac)
                held[:3] = position
                quaternion_from_matrix(rotation, held)
                good, size = 0.0, 0.5
                for _ in range(_BISECTIONS):
                    _between(held, targets[k], good + size, way)
                    matrix_from_quaternion(way, target_rotation)
                    trial[:] = q
                    metres, radians = levenberg_marquardt(
                        rotations, translations, prismatic, low, high, target_rotation, way[:3], trial,
                        length, aim[0], aim[1], 15,
                    )  # fmt: skip
                    if metres <= reach[0] and radians <= reach[1]:
                        good += size
                        q[:] = trial
                    size *= 0.5
                matrix_from_quaternion(targets[k], target_rotation)
                chain_pose(rotations, translations, prismatic, q, rotation, position, jac)
                metres, radians = pose_error(target_rotation, target_position, rotation, position, error)
        path[k] = q
        errors[k, 0], errors[k, 1] = metres, radians


@compiled
def _between(start: Array, end: Array, share: float, pose: Array) -> None:
    """Write the pose at ``share`` of the straight way between two poses: linear, and on SO(3)."""
    dot = 0.0
    for i in range(3):
        pose[i] = start[i] + share * (end[i] - start[i])
    for i in range(3, 7):
        dot += start[i] * end[i]
    sign = -1.0 if dot < 0.0 else 1.0
    angle = np.arccos(min(abs(dot), 1.0))
    a, b = 1.0 - share, share
    if angle > 1e-6:
        a, b = np.sin(a * angle) / np.sin(angle), np.sin(b * angle) / np.sin(angle)
    for i in range(3, 7):
        pose[i] = a * start[i] + b * sign * end[i]


@compiled
def forward_kernel(rotations: Array, translations: Array, prismatic: Flags, q: Array, poses: Array) -> None:
    """Write the tip's pose (N, 7) for joint values (N, n)."""
    rotation, position, jac = np.empty((3, 3)), np.empty(3), np.empty((6, q.shape[1]))
    for k in range(q.shape[0]):
        chain_pose(rotations, translations, prismatic, q[k], rotation, position, jac)
        poses[k, :3] = position
        quaternion_from_matrix(rotation, poses[k])


@compiled
def jacobian_kernel(rotations: Array, translations: Array, prismatic: Flags, q: Array, jacobians: Array) -> None:
    """Write the geometric Jacobian (N, 6, n) for joint values (N, n)."""
    rotation, position = np.empty((3, 3)), np.empty(3)
    for k in range(q.shape[0]):
        chain_pose(rotations, translations, prismatic, q[k], rotation, position, jacobians[k])


@compiled
def errors_kernel(targets: Array, poses: Array, errors: Array) -> None:
    """Write the error twist (N, 6) from poses (N, 7) to targets (N, 7)."""
    target_rotation, rotation = np.empty((3, 3)), np.empty((3, 3))
    for k in range(targets.shape[0]):
        matrix_from_quaternion(targets[k], target_rotation)
        matrix_from_quaternion(poses[k], rotation)
        pose_error(target_rotation, targets[k, :3], rotation, poses[k, :3], errors[k])


@compiled
def compose_kernel(outer: Array, inner: Array, poses: Array) -> None:
    """Write the poses (N, 7) that ``inner`` poses (N, 7) are in the frame that the pose ``outer`` (7,) leads
    to.
    """
    rotation = np.empty((3, 3))
    matrix_from_quaternion(outer, rotation)
    w, x, y, z = outer[3], outer[4], outer[5], outer[6]
    outer_length = np.sqrt(w * w + x * x + y * y + z * z)
    for k in range(inner.shape[0]):
        px, py, pz = inner[k, 0], inner[k, 1], inner[k, 2]
        for i in range(3):
            poses[k, i] = outer[i] + rotation[i, 0] * px + rotation[i, 1] * py + rotation[i, 2] * pz
        a, b, c, d = inner[k, 3], inner[k, 4], inner[k, 5], inner[k, 6]
        length = outer_length * np.sqrt(a * a + b * b + c * c + d * d)
        poses[k, 3] = (w * a - x * b - y * c - z * d) / length
        poses[k, 4] = (w * b + x * a + y * d - z * c) / length
        poses[k, 5] = (w * c - x * d + y * a + z * b) / length
        poses[k, 6] = (w * d + x * c - y * b + z * a) / length

"""Compiled distances between boxes, cylinders and spheres, and poses of the links that carry them.

The distance is that of E. G. Gilbert, D. W. Johnson and S. S. Keerthi (IEEE J. Robotics and Automation 4, 1988): the
point of the Minkowski difference nearest to the origin, by simplices of support points.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.compilation import compiled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

BOX, CYLINDER, SPHERE = 0, 1, 2
_ROUNDS = 32


@compiled
def _support(
    kind: int, size: Array, rotation: Array, centre: Array, x: float, y: float, z: float, point: Array
) -> None:
    """Write the point of a shape farthest along (x, y, z); size: half lengths, or radius (and half length as third)."""
    a = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z
    b = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z
    c = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * z
    if kind == 0:
        a = size[0] if a >= 0.0 else -size[0]
        b = size[1] if b >= 0.0 else -size[1]
        c = size[2] if c >= 0.0 else -size[2]
    elif kind == 1:
        length = np.sqrt(a * a + b * b)
        scale = size[0] / length if length > 1e-12 else 0.0
        a, b, c = a * scale, b * scale, size[2] if c >= 0.0 else -size[2]
    else:
        length = max(np.sqrt(a * a + b * b + c * c), 1e-12)
        a, b, c = a * size[0] / length, b * size[0] / length, c * size[0] / length
    for i in range(3):
        point[i] = centre[i] + rotation[i, 0] * a + rotation[i, 1] * b + rotation[i, 2] * c


@compiled
def _outside(kind: int, size: Array, rotation: Array, x: float, y: float, z: float, radius: float) -> bool:
    """Whether a ball around (x, y, z) as seen from the shape's centre does not reach a box or cylinder."""
    a = abs(rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z)
    b = abs(rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z)
    c = abs(rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * z)
    if kind == 0:
        a, b, c = max(a - size[0], 0.0), max(b - size[1], 0.0), max(c - size[2], 0.0)
    elif kind == 1:
        a, b, c = max(np.sqrt(a * a + b * b) - size[0], 0.0), 0.0, max(c - size[2], 0.0)
    else:
        return False
    return a * a + b * b + c * c > radius * radius


@compiled
def _nearest(simplex: Array, count: int, keep: Integers, v: Array) -> int:
    """Write the point of a simplex nearest to the origin into v and the corners it needs into keep; return how many."""
    best, kept = np.inf, 0
    gram, rhs, weights, chosen = np.empty((3, 3)), np.empty(3), np.empty(4), np.empty(4, np.int64)
    for subset in range(1, 1 << count):
        n = 0
        for i in range(count):
            if subset & (1 << i):
                chosen[n] = i
                n += 1
        # affine minimum over the chosen corners: p0 + sum w (pk - p0)
        m = n - 1
        p0 = simplex[chosen[0]]
        for i in range(m):
            rhs[i] = 0.0
            for k in range(3):
                rhs[i] -= (simplex[chosen[i + 1], k] - p0[k]) * p0[k]
            for j in range(m):
                value = 0.0
                for k in range(3):
                    value += (simplex[chosen[i + 1], k] - p0[k]) * (simplex[chosen[j + 1], k] - p0[k])
                gram[i, j] = value
        good = True
        for i in range(m):  # elimination; the matrix is symmetric and positive where the corners are independent
            if gram[i, i] < 1e-16:
                good = False
                break
            for j in range(i + 1, m):
                factor = gram[j, i] / gram[i, i]
                for k in range(i, m):
                    gram[j, k] -= factor * gram[i, k]
                rhs[j] -= factor * rhs[i]
        if not good:
            continue
        total = 0.0
        for i in range(m - 1, -1, -1):
            for k in range(i + 1, m):
                rhs[i] -= gram[i, k] * rhs[k]
            rhs[i] /= gram[i, i]
            total += rhs[i]
            good = good and rhs[i] >= 0.0
        if not good or total > 1.0:
            continue
        weights[0] = 1.0 - total
        for i in range(m):
            weights[i + 1] = rhs[i]
        x = y = z = 0.0
        for i in range(n):
            x += weights[i] * simplex[chosen[i], 0]
            y += weights[i] * simplex[chosen[i], 1]
            z += weights[i] * simplex[chosen[i], 2]
        norm = x * x + y * y + z * z
        if norm < best:
            best, kept = norm, n
            v[0], v[1], v[2] = x, y, z
            for i in range(n):
                keep[i] = chosen[i]
    return kept


@compiled
def shape_distance(
    kind_a: int, size_a: Array, rotation_a: Array, centre_a: Array,
    kind_b: int, size_b: Array, rotation_b: Array, centre_b: Array, enough: float, v: Array,
) -> float:  # fmt: skip
    """Distance (m) of two shapes, 0 where they touch; a lower bound of it as soon as that is above ``enough``.

    v (3,): a direction from b to a in which they may be apart (zero: not known), and on return the one found.
    """
    simplex, keep = np.empty((4, 3)), np.empty(4, np.int64)
    p, q = np.empty(3), np.empty(3)
    if v[0] * v[0] + v[1] * v[1] + v[2] * v[2] > 1e-12:
        _support(kind_a, size_a, rotation_a, centre_a, -v[0], -v[1], -v[2], p)
        _support(kind_b, size_b, rotation_b, centre_b, v[0], v[1], v[2], q)
        along = v[0] * (p[0] - q[0]) + v[1] * (p[1] - q[1]) + v[2] * (p[2] - q[2])
        length = np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
        if along > enough * length:
            return along / length
    v[:] = centre_a - centre_b
    if v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < 1e-18:
        return 0.0
    count = 0
    for _ in range(_ROUNDS):
        _support(kind_a, size_a, rotation_a, centre_a, -v[0], -v[1], -v[2], p)
        _support(kind_b, size_b, rotation_b, centre_b, v[0], v[1], v[2], q)
        norm = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
        along = v[0] * (p[0] - q[0]) + v[1] * (p[1] - q[1]) + v[2] * (p[2] - q[2])
        length = np.sqrt(norm)
        if along > 0.0 and along / length > enough:
            return along / length
        if count > 0 and norm - along <= 1e-9 * norm + 1e-14:
            return length
        for i in range(3):
            simplex[count, i] = p[i] - q[i]
        kept = _nearest(simplex, count + 1, keep, v)
        if kept == 0 or kept == 4 or v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < 1e-14:
            return 0.0
        for i in range(kept):
            for k in range(3):
                simplex[i, k] = simplex[keep[i], k]
        count = kept
    return np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


@compiled
def first_contact(
    parents: Integers, rotations: Array, translations: Array, columns: Integers, constants: Array, prismatic: Integers,
    shape_frames: Integers, kinds: Integers, sizes: Array, shape_rotations: Array, shape_centres: Array, radii: Array,
    body_frames: Integers, body_centres: Array, body_radii: Array, body_shapes: Integers,
    groups: Integers, pairs: Integers, ignored: NDArray[np.bool_], margin: float, q: Array,
) -> tuple[int, int, float]:  # fmt: skip
    """The first row of q (N, n) at which two shapes are nearer than ``margin``, their group and their distance; row -1
    where none are.

    Frames hang in a tree: parent (-1: the root), fixed transform, then a joint along z whose value is a column of q
    or, where the column is -1, a constant. A body is a link or an obstacle in a ball; body_shapes: its only shape, or
    -1. groups (G, 4): two bodies, and from which to which of the ``pairs`` (P, 2) of shapes theirs go; those that are
    ``ignored`` (G,) are left out.
    """
    frames, shapes, bodies = len(parents), len(kinds), len(body_frames)
    frame_r, frame_p = np.empty((frames, 3, 3)), np.empty((frames, 3))
    shape_r, shape_p = np.empty((shapes, 3, 3)), np.empty((shapes, 3))
    body_p, axes = np.empty((bodies, 3)), np.zeros((len(pairs), 3))
    placed = np.full(bodies, -1)  # the row that a body's shapes are placed for: most never come near anything
    first_shape, last_shape = np.full(bodies, shapes), np.zeros(bodies, np.int64)
    for g in range(len(groups)):
        for k in range(groups[g, 2], groups[g, 3]):
            for end in range(2):
                b, shape = groups[g, end], pairs[k, end]
                first_shape[b], last_shape[b] = min(first_shape[b], shape), max(last_shape[b], shape + 1)
    for row in range(len(q)):
        for f in range(frames):
            value = q[row, columns[f]] if columns[f] >= 0 else constants[f]
            turn = 0.0 if prismatic[f] else value
            slide = value if prismatic[f] else 0.0
            c, s = np.cos(turn), np.sin(turn)
            for i in range(3):
                if parents[f] < 0:
                    x, y, z = rotations[f, i, 0], rotations[f, i, 1], rotations[f, i, 2]
                    position = translations[f, i]
                else:
                    r = frame_r[parents[f], i]
                    x = r[0] * rotations[f, 0, 0] + r[1] * rotations[f, 1, 0] + r[2] * rotations[f, 2, 0]
                    y = r[0] * rotations[f, 0, 1] + r[1] * rotations[f, 1, 1] + r[2] * rotations[f, 2, 1]
                    z = r[0] * rotations[f, 0, 2] + r[1] * rotations[f, 1, 2] + r[2] * rotations[f, 2, 2]
                    position = frame_p[parents[f], i] + (
                        r[0] * translations[f, 0] + r[1] * translations[f, 1] + r[2] * translations[f, 2]
                    )
                frame_r[f, i, 0], frame_r[f, i, 1], frame_r[f, i, 2] = c * x + s * y, c * y - s * x, z
                frame_p[f, i] = position + z * slide
        for b in range(bodies):
            f = body_frames[b]
            for i in range(3):
                body_p[b, i] = frame_p[f, i] + (
                    frame_r[f, i, 0] * body_centres[b, 0]
                    + frame_r[f, i, 1] * body_centres[b, 1]
                    + frame_r[f, i, 2] * body_centres[b, 2]
                )
        for g in range(len(groups)):
            a, b = groups[g, 0], groups[g, 1]
            reach = body_radii[a] + body_radii[b] + margin
            dx, dy, dz = body_p[a, 0] - body_p[b, 0], body_p[a, 1] - body_p[b, 1], body_p[a, 2] - body_p[b, 2]
            if ignored[g] or dx * dx + dy * dy + dz * dz > reach * reach:
                continue
            for body in (a, b):
                if placed[body] == row:
                    continue
                placed[body] = row
                f = body_frames[body]
                for k in range(first_shape[body], last_shape[body]):
                    for i in range(3):
                        shape_p[k, i] = frame_p[f, i]
                        for j in range(3):
                            shape_p[k, i] += frame_r[f, i, j] * shape_centres[k, j]
                            shape_r[k, i, j] = (
                                frame_r[f, i, 0] * shape_rotations[k, 0, j]
                                + frame_r[f, i, 1] * shape_rotations[k, 1, j]
                                + frame_r[f, i, 2] * shape_rotations[k, 2, j]
                            )
            one, other = body_shapes[a], body_shapes[b]
            if one >= 0 and _outside(kinds[one], sizes[one], shape_r[one], -dx, -dy, -dz, body_radii[b] + margin):
                continue
            if other >= 0 and _outside(kinds[other], sizes[other], shape_r[other], dx, dy, dz, body_radii[a] + margin):
                continue
            for k in range(groups[g, 2], groups[g, 3]):
                a, b = pairs[k, 0], pairs[k, 1]
                reach = radii[a] + radii[b] + margin
                dx, dy, dz = shape_p[a, 0] - shape_p[b, 0], shape_p[a, 1] - shape_p[b, 1], shape_p[a, 2] - shape_p[b, 2]
                if dx * dx + dy * dy + dz * dz > reach * reach:
                    continue
                if _outside(kinds[a], sizes[a], shape_r[a], -dx, -dy, -dz, radii[b] + margin) or _outside(
                    kinds[b], sizes[b], shape_r[b], dx, dy, dz, radii[a] + margin
                ):
                    continue
                distance = shape_distance(
                    kinds[a], sizes[a], shape_r[a], shape_p[a], kinds[b], sizes[b], shape_r[b], shape_p[b], margin,
                    axes[k],
                )  # fmt: skip
                if distance <= margin:
                    return row, g, distance
    return -1, -1, np.inf

"""Stands in for the module arx5_interface: the same names, and an arm that moves at a bounded speed while it has gains.

No code of theirs. STAND_IN_ARX5_TRIP: while this file exists there is an over-current, which ends in damping.
"""

import os
import threading
import time
from pathlib import Path

import numpy as np

PERIOD = 0.002
FASTEST = 3.0  # rad/s


class JointState:
    """pos, vel, torque (n,), and the gripper's in m."""

    def __init__(self, count):
        self._rows = {name: np.zeros(count) for name in ("pos", "vel", "torque")}
        self.timestamp = self.gripper_pos = self.gripper_vel = self.gripper_torque = 0.0

    def pos(self):
        return self._rows["pos"]

    def vel(self):
        return self._rows["vel"]

    def torque(self):
        return self._rows["torque"]


class Gain:
    """kp, kd (n,), and the gripper's."""

    def __init__(self, count):
        self._rows = {name: np.zeros(count) for name in ("kp", "kd")}
        self.gripper_kp = self.gripper_kd = 0.0

    def kp(self):
        return self._rows["kp"]

    def kd(self):
        return self._rows["kd"]


class Arx5JointController:
    """A thread of its own, as the SDK's, at 500 Hz. RuntimeError for an interface that is not there."""

    def __init__(self, model, interface):
        if not interface.startswith("can"):
            raise RuntimeError(f"Failed to open USB-CAN adapter with interface name {interface}")
        self.model, self._gain, self._lock = model, Gain(6), threading.Lock()
        self._at, self._opening = np.array([0.0, 0.948, 0.858, -0.573, 0.0, 0.0]), 0.03
        self._wanted, self._wanted_opening = self._at.copy(), self._opening
        self._trip = Path(os.environ.get("STAND_IN_ARX5_TRIP", "/nowhere/at/all"))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        before = time.monotonic()
        while True:
            time.sleep(PERIOD)
            now = time.monotonic()
            most, before = FASTEST * (now - before), now
            with self._lock:
                if self._trip.exists():
                    self._gain = Gain(6)
                if self._gain.kp().any():
                    self._at = self._at + np.clip(self._wanted - self._at, -most, most)
                    self._opening += float(np.clip(self._wanted_opening - self._opening, -most / 20, most / 20))

    def get_joint_state(self):
        state = JointState(6)
        with self._lock:
            state.pos()[:], state.gripper_pos = self._at, self._opening
        return state

    def set_joint_cmd(self, command):
        with self._lock:
            self._wanted, self._wanted_opening = command.pos().copy(), command.gripper_pos

    def get_gain(self):
        return self._gain

    def set_gain(self, gain):
        with self._lock:
            if gain.kp().any() and np.abs(self._wanted - self._at).max() > 0.3:
                raise RuntimeError("cannot set kp while the command is far from where the arm is")
            self._gain = gain

    def set_to_damping(self):
        self._gain = Gain(6)

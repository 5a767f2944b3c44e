"""The one interface of every policy: learned, recorded, scripted or behind a server."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mivla_ros.action_chunk import ActionChunk, ArmActions, BodyActions
from mivla_ros.observation import Observation
from mivla_ros.stop_reasons import Stop


class PolicyError(RuntimeError):
    """A policy that cannot be made or cannot go on. ``policy`` is its name, ``subject`` the file, key or value at
    fault."""

    def __init__(self, policy: str, message: str, subject: str = "") -> None:
        super().__init__(f"policy {policy!r}: {message}")
        self.policy = policy
        self.subject = subject


class PolicyUnavailableError(PolicyError):
    """A policy that has no answer now, but may have one soon: a server that is away, or late. ``reason`` is shown while
    that lasts; the policy is asked again, without a reset.
    """

    def __init__(self, policy: str, reason: Stop) -> None:
        super().__init__(policy, str(reason), reason.subject)
        self.reason = reason


@dataclass(frozen=True)
class PolicySpec:
    """What a policy needs and gives; known before its first inference.

    cameras: names of the profile's cameras it looks at. needs_objects: it reads the simulator's truth.
    frame_id: frame of the poses it returns. step_seconds: time between its steps. horizon: steps a chunk has at most.
    period_seconds: time between two inferences that suits it; a node may ask more or less often.
    """

    name: str
    revision: str
    cameras: tuple[str, ...]
    frame_id: str
    horizon: int
    step_seconds: float
    period_seconds: float
    needs_objects: bool = False


@runtime_checkable
class Remote(Protocol):
    """A policy behind a server, of which nothing may be known before the server has answered; ``spec`` raises
    PolicyUnavailableError until then.
    """

    def absence(self) -> Stop | None:
        """Why ``spec`` is not known yet; None: it is."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait for the server, so long at most. Raises PolicyUnavailableError where it is not there by then."""
        ...


@dataclass(frozen=True)
class Progress:
    """What the robot has really done with earlier chunks, by count: steps executed of the newest chunk reported.

    first_step: first step of that chunk that was still due when it was taken up. late_steps: that of the newest chunks
    taken up, oldest first. chunks: those given out in this generation, oldest first, from the one being executed on.
    """

    sequence: int = 0
    executed_steps: int = 0
    total_executed_steps: int = 0
    first_step: int = 0
    late_steps: tuple[int, ...] = ()
    chunks: tuple[ActionChunk, ...] = ()


@dataclass(frozen=True)
class Actions:
    """A policy's answer: step k of ``arms`` is due ``first_step_seconds + k * step_seconds`` after the observation's
    stamp.

    finished: the policy has nothing more to do after these steps.
    """

    arms: tuple[ArmActions, ...]
    first_step_seconds: float
    step_seconds: float
    body: BodyActions | None = None
    finished: bool = False

    @property
    def horizon(self) -> int:
        """Number of steps: of what the first arm (or the body) shall follow; 0 where nothing is to be followed."""
        for arm in self.arms:
            for values in (arm.eef, arm.joints, None if arm.hand is None else arm.hand.wrist):
                if values is not None:
                    return len(values)
        if self.body is not None:
            for values in (self.body.poses, self.body.velocities):
                if values is not None:
                    return len(values)
        return 0


@runtime_checkable
class Policy(Protocol):
    """Turns observations into actions. Calls come from one thread, one at a time."""

    @property
    def spec(self) -> PolicySpec:
        """What it needs and gives."""
        ...

    def reset(self, instruction: str, seed: int) -> None:
        """Forget everything and begin with this instruction. Raises PolicyError if it cannot do what is asked."""
        ...

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """The next actions. Raises PolicyError if it cannot go on."""
        ...

    def close(self) -> None:
        """Give back what it holds (threads, sockets, memory)."""
        ...


@runtime_checkable
class Cancellable(Protocol):
    """A policy whose inference can be cut short from another thread."""

    def cancel(self) -> None:
        """Let a running ``infer`` return at once, with PolicyUnavailableError; nothing where none is running."""
        ...

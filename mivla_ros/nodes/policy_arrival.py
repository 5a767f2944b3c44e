"""While a policy's server is not there: the policy node says so, and goes on once it is."""

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from mivla_ros.policies.policy import Remote
from mivla_ros.stop_reasons import Reason, Stop


class PolicyArrival:
    """Looks every ``period`` s of the wall clock; ``say`` is called with what is missing, ``on_arrival`` once."""

    def __init__(
        self,
        node: LifecycleNode,
        policy: Remote,
        period: float,
        say: Callable[[Stop], None],
        on_arrival: Callable[[], None],
    ) -> None:
        self._node, self._policy, self._say, self._on_arrival = node, policy, say, on_arrival
        self._logged: tuple[Reason, str] | None = None
        self._timer = node.create_timer(period, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._open = True

    def close(self) -> None:
        """Look no more; may be called twice."""
        if self._open:
            self._open = False
            self._node.destroy_timer(self._timer)

    def _look(self) -> None:
        missing = self._policy.absence()
        if missing is None:
            self.close()
            self._on_arrival()
            return
        if (missing.reason, missing.subject) != self._logged:
            self._logged = missing.reason, missing.subject
            self._node.get_logger().warning(f"waiting: {missing}")
        self._say(missing)

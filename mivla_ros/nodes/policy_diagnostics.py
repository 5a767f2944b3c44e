"""Diagnostics of the policy node: state, streams with rates and ages, inference."""

from collections import Counter
from collections.abc import Callable
from math import isfinite

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rclpy.lifecycle import LifecycleNode

from mivla_ros.nodes.diagnosis import add_reason
from mivla_ros.observations import Synchroniser
from mivla_ros.policies.runner import PolicyRunner, PolicyState
from mivla_ros.stop_reasons import Reason

RATE_SECONDS = 0.5  # least time to count a rate over


class PolicyDiagnostics:
    """Publishes once a second, and at every ``update``, while the node is configured."""

    def __init__(
        self,
        node: LifecycleNode,
        runner: PolicyRunner,
        synchroniser: Synchroniser,
        robot: str,
        now_ns: Callable[[], int],
    ) -> None:
        self._runner, self._synchroniser, self._now_ns = runner, synchroniser, now_ns
        self._counts: Counter[str] = Counter()
        self._rates: dict[str, float] = {}
        self._counted_ns = now_ns()
        self._node = node
        self._updater = Updater(node, period=1.0)
        self._updater.setHardwareID(robot)
        self._updater.add("policy", self._policy)
        self._updater.add("streams", self._streams)

    def close(self) -> None:
        """End it, so that another configuration may begin."""
        self._node.destroy_timer(self._updater.timer)
        self._node.destroy_publisher(self._updater.publisher)
        self._node.undeclare_parameter(self._updater.period_parameter)

    def update(self) -> None:
        """Publish now."""
        self._updater.force_update()

    def _policy(self, wrapper: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        status = self._runner.status()
        level = DiagnosticStatus.OK
        if status.state is PolicyState.FAILED:
            level = DiagnosticStatus.ERROR
        elif status.state in (PolicyState.WAITING, PolicyState.STOPPED) and status.reason.reason is not Reason.NONE:
            level = DiagnosticStatus.WARN
        words = status.state.name.lower()
        wrapper.summary(level, f"{words}: {status.reason}" if status.reason.reason is not Reason.NONE else words)
        add_reason(wrapper, status.reason)
        wrapper.add("policy", self._runner.policy.spec.name)
        wrapper.add("revision", self._runner.policy.spec.revision)
        wrapper.add("instruction", status.instruction)
        wrapper.add("generation", str(status.generation))
        wrapper.add("chunks published", str(status.sequence))
        wrapper.add("chunk rate, Hz", f"{status.chunk_rate:.2f}")
        wrapper.add("inference, s", f"{status.inference_seconds:.4f}")
        wrapper.add("observation age at inference, s", f"{status.observation_age:.4f}")
        wrapper.add("observations refused", str(status.refused))
        wrapper.add("answers dropped", str(status.dropped))
        return wrapper

    def _streams(self, wrapper: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        now_ns = self._now_ns()
        seconds = (now_ns - self._counted_ns) / 1e9
        counts = Counter(self._synchroniser.counts)
        ages = self._synchroniser.ages(now_ns)
        silent = [name for name, age in ages.items() if not isfinite(age)]
        invalid = {
            name: count for name, count in counts.items() if name.endswith(":invalid") and count > self._counts[name]
        }
        if silent:
            wrapper.summary(DiagnosticStatus.WARN, f"nothing yet from {', '.join(silent)}")
        elif invalid:
            wrapper.summary(DiagnosticStatus.WARN, f"unusable messages: {invalid}")
        else:
            wrapper.summary(DiagnosticStatus.OK, f"{len(ages)} streams")
        for name, age in ages.items():
            if not 0 <= seconds < RATE_SECONDS or name not in self._rates:
                self._rates[name] = (counts[name] - self._counts[name]) / seconds if seconds > 0 else 0.0
            wrapper.add(f"{name}: rate, Hz", f"{self._rates[name]:.1f}")
            wrapper.add(f"{name}: age, s", f"{age:.3f}")
            wrapper.add(f"{name}: received", str(counts[name]))
            wrapper.add(f"{name}: duplicate", str(counts[f"{name}:duplicate"]))
            wrapper.add(f"{name}: invalid", str(counts[f"{name}:invalid"]))
        if not 0 <= seconds < RATE_SECONDS:
            self._counts, self._counted_ns = counts, now_ns
        return wrapper

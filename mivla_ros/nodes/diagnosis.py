"""A named reason in a diagnostic status: the same evidence as in mivla_msgs/StopReason."""

from math import isnan

from diagnostic_updater import DiagnosticStatusWrapper

from mivla_ros.stop_reasons import Reason, Stop


def add_reason(status: DiagnosticStatusWrapper, stop: Stop) -> None:
    """Add reason, subject, value and limit, so that no program has to read the summary's words."""
    status.add("reason", stop.reason.name)
    if stop.reason is Reason.NONE:
        return
    status.add("subject", stop.subject)
    if not isnan(stop.value):
        status.add("value", f"{stop.value:.6g} {stop.unit}".strip())
    if not isnan(stop.limit):
        status.add("limit", f"{stop.limit:.6g} {stop.unit}".strip())

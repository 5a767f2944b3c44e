"""A policy behind a websocket server that speaks openpi's protocol: openpi's own (pi0, pi0.5), or ``mivla serve``.

Nothing here blocks for longer than ``timeout``: where the server is away or late, the policy says so by
PolicyUnavailableError and the runner goes on with the next observation; the connection comes back by itself.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mivla_ros.observation import Observation
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, PolicyUnavailableError, Progress
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.serving.adapter import adapter_names, load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.array_packing import MEBIBYTE
from mivla_ros.serving.client import ClientOptions, Link, PolicyClient
from mivla_ros.serving.credentials import check_url, client_tls, is_loopback, read_api_key
from mivla_ros.serving.errors import (
    FrameError,
    RequestCancelledError,
    RequestTimeoutError,
    ServerUnreachableError,
    ServingError,
)
from mivla_ros.serving.layout import InferenceRequest
from mivla_ros.serving.native import NATIVE, NativeLayout
from mivla_ros.stop_reasons import Reason, Stop

POLICY = "openpi"
TRY_SECONDS = 10.0  # one try to connect


@dataclass(frozen=True)
class OpenpiOptions:
    """Options of the client.

    url: ws://HOST:PORT or wss://HOST:PORT. adapter: name or YAML file of the server's layout; "mivla" is that of
    ``mivla serve``. arm: the one meant by the adapter's "any". api_key_file: its first line is the key. ca_file:
    authorities (PEM) to trust instead of the system's. insecure: send the key without TLS to another machine.
    timeout: s an answer may take before it is thrown away. connect_timeout: s in which the server must be there when
    the policy is made; 0: it may come when it likes. patience: s without an answer after which the connection is made
    anew. period_seconds: time between two inferences; 0: the adapter's. max_frame_mb: MiB of one frame.
    """

    url: str = ""
    adapter: str = NATIVE
    arm: str = ""
    api_key_file: str = ""
    ca_file: str = ""
    insecure: bool = False
    timeout: float = 1.0
    connect_timeout: float = 0.0
    patience: float = 60.0
    period_seconds: float = 0.0
    max_frame_mb: float = 32.0


class OpenpiPolicy:
    """One connection as a policy."""

    def __init__(self, profile: RobotProfile, options: OpenpiOptions) -> None:
        """Begins to connect. Raises PolicyError for options and files that cannot be used, and for a server that is not
        there by ``connect_timeout``.
        """
        self.options, self._profile = options, profile
        _check(options)
        self._seed, self._episode = 0, 0
        try:
            self._layout: NativeLayout | AdapterLayout = _layout(profile, options)
            key = read_api_key(options.api_key_file) if options.api_key_file else ""
            client = ClientOptions(
                url=check_url(options.url),
                api_key=key,
                tls=client_tls(options.url, options.ca_file),
                connect_timeout=options.connect_timeout or TRY_SECONDS,
                patience=options.patience,
                max_frame=round(options.max_frame_mb * MEBIBYTE),
            )
        except ServingError as error:
            raise PolicyError(POLICY, str(error), error.subject) from error
        host = urlsplit(options.url).hostname or ""
        if key and client.tls is None and not options.insecure and not is_loopback(host):
            raise PolicyError(
                POLICY,
                f"{options.url}: the API key would go unencrypted: use wss://, an SSH tunnel or option insecure=true",
                "url",
            )
        self._spec = self._adapter_spec(self._layout) if isinstance(self._layout, AdapterLayout) else None
        self._client = PolicyClient(client, self._accept)
        if options.connect_timeout:
            try:
                self.wait(options.connect_timeout)
            except PolicyUnavailableError:
                self._client.close()
                raise

    @property
    def spec(self) -> PolicySpec:
        """Fixed by the adapter; with the layout "mivla" what the server has said. Raises PolicyUnavailableError as
        long as it has said nothing.
        """
        if self._spec is None:
            raise PolicyUnavailableError(POLICY, self._away(self._client.link[1]))
        return self._spec

    def absence(self) -> Stop | None:
        """Why nothing is known of the policy yet: the server is away, or does not suit."""
        return self._away(self._client.link[1]) if self._spec is None else None

    def wait(self, seconds: float) -> None:
        """Wait for a connection, so long at most. Raises PolicyUnavailableError where there is none by then."""
        if not self._client.wait_connected(seconds):
            raise PolicyUnavailableError(POLICY, self._away(self._client.link[1]))

    def _away(self, message: str) -> Stop:
        refused = self._client.link[0] is Link.REFUSED
        reason = Reason.POLICY_NOT_LOADED if refused else Reason.POLICY_UNREACHABLE
        return Stop(reason, self.options.url, message=message)

    @property
    def client(self) -> PolicyClient:
        """The connection, for those who watch it."""
        return self._client

    def reset(self, instruction: str, seed: int) -> None:
        """Begin anew. openpi's protocol has no message for it: our own server learns it from the next request, others
        from the instruction alone.
        """
        self._seed = seed
        self._episode += 1

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """Ask the server. Raises PolicyUnavailableError where it is away, late or answers what does not fit;
        PolicyError for its errors in words, until a reset.
        """
        request = InferenceRequest(observation, self._seed, self._episode, progress)
        try:
            message = self._layout.request_to_message(request)
        except FrameError as error:
            raise PolicyError(POLICY, str(error), error.subject) from error
        url = self.options.url
        try:
            reply = self._client.ask(message, self.options.timeout)
            return self._layout.actions_from_message(reply, request)
        except ServerUnreachableError as error:
            raise PolicyUnavailableError(POLICY, self._away(error.message)) from error
        except RequestTimeoutError as error:
            stop = Stop(Reason.POLICY_DEADLINE, url, error.seconds, error.limit, "s")
            raise PolicyUnavailableError(POLICY, stop) from error
        except RequestCancelledError as error:
            raise PolicyUnavailableError(POLICY, Stop(Reason.TASK_CANCELLED, "inference")) from error
        except FrameError as error:
            stop = Stop(Reason.POLICY_OUTPUT_INVALID, error.subject, message=error.message)
            raise PolicyUnavailableError(POLICY, stop) from error
        except ServingError as error:
            raise PolicyError(POLICY, str(error), url) from error

    def cancel(self) -> None:
        """Let a running ``infer`` return at once."""
        self._client.cancel()

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _adapter_spec(self, layout: AdapterLayout) -> PolicySpec:
        actions = layout.adapter.actions
        return PolicySpec(
            name=POLICY,
            revision=f"adapter {layout.name}",
            cameras=layout.cameras,
            frame_id=layout.frame_id,
            horizon=actions.horizon,
            step_seconds=actions.step_seconds,
            period_seconds=self.options.period_seconds or actions.period_seconds,
        )

    def _accept(self, metadata: dict[str, Any]) -> None:
        """Look at a server's words about itself; called by the client's thread."""
        theirs, ours = metadata.get("adapter"), self._layout.name
        if theirs is not None and theirs != ours:
            raise ServingError(
                self.options.url, f"the server speaks adapter {str(theirs)[:80]!r}, this client {ours!r}"
            )
        if theirs is None and ours == NATIVE:
            others = ", ".join(adapter_names())
            raise ServingError(
                self.options.url, f"is not a server of mivla; its layout must be named: adapter={others} or a file"
            )
        robot = metadata.get("robot")
        if theirs is not None and robot != self._profile.name:
            raise ServingError(
                self.options.url, f"the server serves robot {str(robot)[:80]!r}, this is {self._profile.name!r}"
            )
        if theirs is not None and isinstance(self._layout, NativeLayout):
            self._adopt(_read_spec(metadata, self.options))

    def _adopt(self, spec: PolicySpec) -> None:
        known = self._spec
        if known is not None and (known.cameras, known.frame_id, known.needs_objects) != (
            spec.cameras,
            spec.frame_id,
            spec.needs_objects,
        ):
            raise ServingError(self.options.url, f"now serves {spec}, before {known}; start the policy anew")
        for camera in spec.cameras:
            if camera not in {c.name for c in self._profile.cameras}:
                raise ServingError(self.options.url, f"needs camera {camera!r}, robot {self._profile.name!r} has none")
        self._spec = spec


def _layout(profile: RobotProfile, options: OpenpiOptions) -> NativeLayout | AdapterLayout:
    if options.adapter == NATIVE:
        return NativeLayout()
    return AdapterLayout(load_adapter(options.adapter), profile, options.arm)


def _read_spec(metadata: dict[str, Any], options: OpenpiOptions) -> PolicySpec:
    """What a server of ours says of its policy. Raises ServingError for what cannot be."""
    try:
        spec = PolicySpec(
            name=POLICY,
            revision=f"{metadata['policy']} {metadata['revision']}"[:200],
            cameras=tuple(str(name) for name in metadata["cameras"]),
            frame_id=str(metadata["frame_id"]),
            horizon=int(metadata["action_horizon"]),
            step_seconds=float(metadata["step_seconds"]),
            period_seconds=options.period_seconds or float(metadata["period_seconds"]),
            needs_objects=bool(metadata["needs_objects"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServingError(options.url, f"metadata: {type(error).__name__}: {error}") from error
    if not (0 < spec.horizon <= 10_000 and 0 < spec.step_seconds < 60 and 0 < spec.period_seconds < 3600):
        raise ServingError(options.url, f"metadata: {spec} is out of range")
    return spec


def _check(options: OpenpiOptions) -> None:
    if not options.url:
        raise PolicyError(
            POLICY, "option url is empty, it must be the server's address, such as ws://127.0.0.1:8000", "url"
        )
    for name in ("timeout", "patience", "max_frame_mb"):
        value = getattr(options, name)
        if not 0 < value < 1e4:
            raise PolicyError(POLICY, f"option {name} is {value:g}, must be above 0", name)
    for name in ("connect_timeout", "period_seconds"):
        value = getattr(options, name)
        if not 0 <= value < 600:
            raise PolicyError(POLICY, f"option {name} is {value:g}, must be from 0 to 600", name)

"""What a network is made of: frozen, named in field terms, stored as JSON beside the weights. Imports no torch."""

from dataclasses import dataclass
from enum import StrEnum

from mivla_ros import action_space
from mivla_ros.model.errors import ConfigError


class VisionFamily(StrEnum):
    """Kinds of image encoders: those of transformers, and a small convolutional one trained with the network."""

    DINOV2 = "dinov2"
    DINOV2_REGISTERS = "dinov2_with_registers"
    SIGLIP = "siglip"
    CONVOLUTIONAL = "convolutional"


class Concatenation(StrEnum):
    """How the tokens of several image encoders become one set.

    TOKEN: one after the other; each encoder keeps channels of its own in the common width, so that one projection
    serves them all (the paper's 392 = 2 x 196 tokens). CHANNEL: side by side on one grid (H-RDT).
    """

    TOKEN = "token"
    CHANNEL = "channel"


class Fit(StrEnum):
    """How an image is brought to a square: LETTERBOX keeps its shape and pads, STRETCH does not."""

    LETTERBOX = "letterbox"
    STRETCH = "stretch"


class LanguageFamily(StrEnum):
    """T5: an encoder with its own tokeniser, weights from elsewhere. BYTES: a T5 encoder over bytes, trained with the
    network."""

    T5 = "t5"
    BYTES = "bytes"


@dataclass(frozen=True)
class VisionEncoderConfig:
    """One image encoder.

    source: name on the hub, or that of a folder; empty: made here and stored with the network. width: of its tokens.
    layer: block whose output is used, counted from the end (-2: second to last, as in H-RDT). native_size: pixels it
    was trained at. grid: tokens a side that it gives; resampled where the patches give another number. mean, std: of
    the pixels from 0 to 1.
    """

    family: VisionFamily
    source: str
    width: int
    depth: int
    heads: int
    hidden: int
    patch: int
    native_size: int
    layer: int
    grid: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class VisionConfig:
    """All image encoders. image_size: pixels a side; fill: colour around a letterboxed image, 0 to 255."""

    encoders: tuple[VisionEncoderConfig, ...]
    concatenation: Concatenation
    image_size: int
    fit: Fit
    fill: tuple[int, int, int]
    frozen: bool

    @property
    def tokens(self) -> int:
        """Tokens of one image."""
        counts = [encoder.grid**2 for encoder in self.encoders]
        return sum(counts) if self.concatenation is Concatenation.TOKEN else counts[0]

    @property
    def width(self) -> int:
        """Features of one token, all encoders' channels together."""
        return sum(encoder.width for encoder in self.encoders)


@dataclass(frozen=True)
class LanguageConfig:
    """The language encoder. width: of its tokens (T5's d_model). max_tokens: an instruction has at most."""

    family: LanguageFamily
    source: str
    width: int
    depth: int
    heads: int
    head_width: int
    hidden: int
    max_tokens: int
    frozen: bool


@dataclass(frozen=True)
class StateSpace:
    """One space of proprioception with a projection of its own: columns start to stop of the 76."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class TrunkConfig:
    """The diffusion transformer. ffn_multiple: the SwiGLU's width is two thirds of 4 x width, rounded up to this."""

    width: int
    depth: int
    heads: int
    kv_heads: int
    norm_eps: float
    ffn_multiple: int
    time_features: int

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def ffn_width(self) -> int:
        """Hidden width of the SwiGLU: 5888 for 2176 and 256 (paper.md 7)."""
        hidden = int(2 * 4 * self.width / 3)
        return self.ffn_multiple * -(-hidden // self.ffn_multiple)


@dataclass(frozen=True)
class FlowConfig:
    """Flow matching. steps: Euler steps at inference. time_max: largest time in training. time_sampling: ``uniform``
    or ``logit_normal``. noise: size of what inference begins with; 1: as flow matching has it; 0: always the same chunk
    for the same observation, which is what weights trained with less noise are for."""

    steps: int
    time_max: float
    time_sampling: str
    noise: float


@dataclass(frozen=True)
class NetworkConfig:
    """The whole network.

    family: ``mivla`` or ``h_rdt``. start, stop: columns of the 76 that it predicts. horizon: steps of a chunk.
    cameras: places for images, at most. masked_inputs: the projections of state and actions also see which values
    are valid (H-RDT's do not).
    """

    name: str
    family: str
    start: int
    stop: int
    horizon: int
    cameras: int
    state_spaces: tuple[StateSpace, ...]
    masked_inputs: bool
    vision: VisionConfig
    language: LanguageConfig
    trunk: TrunkConfig
    flow: FlowConfig
    projection_layers: int
    adaptor_layers: int

    @property
    def columns(self) -> slice:
        """Columns of the unified action that it predicts."""
        return slice(self.start, self.stop)

    @property
    def size(self) -> int:
        """Values it predicts at every step."""
        return self.stop - self.start

    @property
    def tokens(self) -> int:
        """Tokens of the decoder's own sequence: one for each state space, then one for each step."""
        return len(self.state_spaces) + self.horizon


def check_config(config: NetworkConfig) -> None:
    """Raise ConfigError naming the first key that cannot be built, its value and what it may be."""
    trunk = config.trunk
    for key, value, limit in (
        ("horizon", config.horizon, 1),
        ("cameras", config.cameras, 1),
        ("trunk.width", trunk.width, 1),
        ("trunk.depth", trunk.depth, 1),
        ("trunk.heads", trunk.heads, 1),
        ("trunk.kv_heads", trunk.kv_heads, 1),
        ("flow.steps", config.flow.steps, 1),
        ("vision.image_size", config.vision.image_size, 1),
        ("language.max_tokens", config.language.max_tokens, 1),
        ("adaptor_layers", config.adaptor_layers, 1),
        ("projection_layers", config.projection_layers, 1),
    ):
        if value < limit:
            raise ConfigError(f"network {config.name!r}: {key} is {value}, must be {limit} or more", key)
    if trunk.width % trunk.heads or trunk.heads % trunk.kv_heads or trunk.time_features % 2 or trunk.width % 4:
        raise ConfigError(
            f"network {config.name!r}: trunk: width {trunk.width} must be a multiple of 4 and of heads {trunk.heads}, "
            f"heads of kv_heads {trunk.kv_heads}, time_features {trunk.time_features} of 2",
            "trunk",
        )
    if config.family not in ("mivla", "h_rdt"):
        raise ConfigError(f"network {config.name!r}: family is {config.family!r}, must be mivla or h_rdt", "family")
    if config.flow.time_sampling not in ("uniform", "logit_normal") or not (
        0 < config.flow.time_max <= 1 and 0 <= config.flow.noise <= 1
    ):
        raise ConfigError(
            f"network {config.name!r}: flow: time_sampling is {config.flow.time_sampling!r} (uniform or logit_normal), "
            f"time_max {config.flow.time_max} (above 0, at most 1), noise {config.flow.noise} (0 to 1)",
            "flow",
        )
    for key, start, stop in (
        ("start, stop", config.start, config.stop),
        *((f"state_spaces {space.name!r}", space.start, space.stop) for space in config.state_spaces),
    ):
        if not 0 <= start < stop <= action_space.ACTION_SIZE:
            raise ConfigError(
                f"network {config.name!r}: {key} is {start}, {stop}, must lie in 0 to {action_space.ACTION_SIZE}", key
            )
    if not config.state_spaces or not config.vision.encoders:
        key = "state_spaces" if not config.state_spaces else "vision.encoders"
        raise ConfigError(f"network {config.name!r}: {key} is empty", key)
    grids = {encoder.grid for encoder in config.vision.encoders}
    if config.vision.concatenation is Concatenation.CHANNEL and len(grids) > 1:
        raise ConfigError(
            f"network {config.name!r}: vision.encoders have grids {sorted(grids)}, channel concatenation needs one",
            "vision.encoders",
        )

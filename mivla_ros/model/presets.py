"""The named networks: ``base``, ``small``, ``tiny``, and H-RDT's two (``h_rdt_human``, ``h_rdt_robot``).

The paper leaves depth, width, encoder variants, cameras and flow steps open (paper.md 1.2); ``base`` takes H-RDT's
trunk, whose action is the paper's human space, at 224 pixels and 2 x 196 tokens as the paper states.
"""

from dataclasses import replace

from mivla_ros.action_space import ACTION_SIZE, EEF, HUMAN, ROBOT
from mivla_ros.model.config import (
    Concatenation,
    Fit,
    FlowConfig,
    LanguageConfig,
    LanguageFamily,
    NetworkConfig,
    StateSpace,
    TrunkConfig,
    VisionConfig,
    VisionEncoderConfig,
    VisionFamily,
)
from mivla_ros.model.errors import ConfigError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
FILL = (124, 116, 104)  # ImageNet's mean colour

HUMAN_SPACE = StateSpace("human", HUMAN.start, HUMAN.stop)
ROBOT_SPACE = StateSpace("robot", ROBOT.start, ROBOT.stop)
EEF_SPACE = StateSpace("eef", EEF.start, EEF.stop)


def _dinov2(source: str, width: int, depth: int, heads: int, grid: int) -> VisionEncoderConfig:
    return VisionEncoderConfig(
        family=VisionFamily.DINOV2_REGISTERS,
        source=source,
        width=width,
        depth=depth,
        heads=heads,
        hidden=4 * width,
        patch=14,
        native_size=518,
        layer=-2,
        grid=grid,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )


def _siglip(
    source: str, width: int, depth: int, heads: int, hidden: int, patch: int, size: int, grid: int
) -> VisionEncoderConfig:
    return VisionEncoderConfig(
        family=VisionFamily.SIGLIP,
        source=source,
        width=width,
        depth=depth,
        heads=heads,
        hidden=hidden,
        patch=patch,
        native_size=size,
        layer=-2,
        grid=grid,
        mean=HALF,
        std=HALF,
    )


BASE = NetworkConfig(
    name="base",
    family="mivla",
    start=0,
    stop=ACTION_SIZE,
    horizon=16,
    cameras=3,
    state_spaces=(HUMAN_SPACE, ROBOT_SPACE, EEF_SPACE),
    masked_inputs=True,
    vision=VisionConfig(
        encoders=(
            _dinov2("facebook/dinov2-with-registers-large", 1024, 24, 16, grid=14),
            _siglip("google/siglip-so400m-patch14-224", 1152, 27, 16, 4304, 14, 224, grid=14),
        ),
        concatenation=Concatenation.TOKEN,
        image_size=224,
        fit=Fit.LETTERBOX,
        fill=FILL,
        frozen=True,
    ),
    language=LanguageConfig(
        family=LanguageFamily.T5,
        source="google/t5-v1_1-xxl",
        width=4096,
        depth=24,
        heads=64,
        head_width=64,
        hidden=10240,
        max_tokens=1024,
        frozen=True,
    ),
    trunk=TrunkConfig(width=2176, depth=16, heads=16, kv_heads=8, norm_eps=1e-5, ffn_multiple=256, time_features=256),
    flow=FlowConfig(steps=5, time_max=0.999, time_sampling="uniform", noise=1.0),
    projection_layers=2,
    adaptor_layers=3,
)

SMALL = replace(
    BASE,
    name="small",
    vision=replace(
        BASE.vision,
        encoders=(
            _dinov2("facebook/dinov2-with-registers-small", 384, 12, 6, grid=14),
            _siglip("google/siglip-base-patch16-224", 768, 12, 12, 3072, 16, 224, grid=14),
        ),
    ),
    language=replace(
        BASE.language,
        source="google/t5-v1_1-small",
        width=512,
        depth=8,
        heads=6,
        head_width=64,
        hidden=1024,
        max_tokens=256,
    ),
    trunk=replace(BASE.trunk, width=512, depth=12, heads=8, kv_heads=4),
)

TINY = replace(
    BASE,
    name="tiny",
    vision=VisionConfig(
        encoders=(
            VisionEncoderConfig(
                family=VisionFamily.CONVOLUTIONAL,
                source="",
                width=128,
                depth=2,
                heads=1,
                hidden=32,
                patch=4,
                native_size=96,
                layer=-1,
                grid=6,
                mean=HALF,
                std=HALF,
            ),
        ),
        concatenation=Concatenation.TOKEN,
        image_size=96,
        fit=Fit.STRETCH,  # no pixel is spent on borders
        fill=FILL,
        frozen=False,
    ),
    language=LanguageConfig(
        family=LanguageFamily.BYTES,
        source="",
        width=96,
        depth=2,
        heads=4,
        head_width=24,
        hidden=192,
        max_tokens=160,
        frozen=False,
    ),
    trunk=replace(BASE.trunk, width=128, depth=4, heads=4, kv_heads=2, ffn_multiple=64, time_features=128),
    flow=replace(BASE.flow, time_max=0.85),  # five steps ask at 0 to 0.8; what lies beyond would be learnt for nothing
)

H_RDT_HUMAN = replace(
    BASE,
    name="h_rdt_human",
    family="h_rdt",
    start=HUMAN.start,
    stop=HUMAN.stop,
    cameras=1,
    state_spaces=(HUMAN_SPACE,),
    masked_inputs=False,
    vision=replace(
        BASE.vision,
        encoders=(
            _dinov2("facebook/dinov2-with-registers-large", 1024, 24, 16, grid=27),
            _siglip("google/siglip-so400m-patch14-384", 1152, 27, 16, 4304, 14, 384, grid=27),
        ),
        concatenation=Concatenation.CHANNEL,
        image_size=384,
    ),
)

H_RDT_ROBOT = replace(
    H_RDT_HUMAN,
    name="h_rdt_robot",
    start=ROBOT.start,
    stop=ROBOT.stop,
    cameras=3,
    state_spaces=(ROBOT_SPACE,),
)

PRESETS = {config.name: config for config in (BASE, SMALL, TINY, H_RDT_HUMAN, H_RDT_ROBOT)}


def preset(name: str) -> NetworkConfig:
    """A configuration by name. Raises ConfigError naming those there are."""
    if name not in PRESETS:
        raise ConfigError(f"there is no network configuration {name!r}, there are {', '.join(PRESETS)}", name)
    return PRESETS[name]

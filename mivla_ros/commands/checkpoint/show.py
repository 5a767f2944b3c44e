"""Print what a checkpoint is: network, robot, cameras, rates, statistics, weights, hashes.

Every file is compared with its hash; the weights are not loaded.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mivla_ros.model.checkpoint_files import Description
    from mivla_ros.model.statistics import ValueStatistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla checkpoint show`."""
    parser.add_argument("folder", type=Path, help="folder of the checkpoint")
    parser.add_argument("--json", action="store_true", help="everything as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from mivla_ros.model.checkpoint_files import WEIGHTS_FILE, read_description, weight_shapes
    from mivla_ros.model.json_fields import to_json

    found = read_description(arguments.folder)
    weights = weight_shapes(arguments.folder / WEIGHTS_FILE)
    if arguments.json:
        text = {
            "manifest": to_json(found.manifest),
            "config": to_json(found.config),
            "contract": to_json(found.contract),
            "statistics": to_json(found.normalisation),
            "weights": {name: {"type": kind, "shape": list(shape)} for name, (kind, shape) in weights.items()},
        }
        print(json.dumps(text, indent=2))
        return 0
    print("\n".join(_lines(found, weights)))
    return 0


def _lines(found: "Description", weights: dict[str, tuple[str, tuple[int, ...]]]) -> list[str]:
    from math import prod

    from mivla_ros.action_space import VALUES

    config, contract, manifest = found.config, found.contract, found.manifest
    trunk, vision, language = config.trunk, config.vision, config.language
    values = [prod(shape) for _, shape in weights.values()]
    types = ", ".join(sorted({kind for kind, _ in weights.values()}))
    lines = [
        f"checkpoint   {found.folder}",
        f"hash         {manifest.hash}",
        *(f"note         {key}: {text}" for key, text in manifest.notes.items()),
        f"network      {config.name} ({config.family}): {trunk.width} wide, {trunk.depth} deep, "
        f"{trunk.heads} heads on {trunk.kv_heads}",
        f"weights      {sum(values):,} values in {len(values)} tensors, {types}",
        *(
            f"vision       {e.family}, {e.source or 'stored here'}: {e.grid}x{e.grid} tokens of {e.width}"
            for e in vision.encoders
        ),
        f"             {vision.tokens} tokens an image of {vision.image_size} pixels a side ({vision.fit})",
        f"language     {language.family}, {language.source or 'stored here'}: up to {language.max_tokens} tokens",
        f"flow         {config.flow.steps} Euler steps, time 0 noise to 1 actions",
        f"actions      {config.size} values ({VALUES[config.start].name} to {VALUES[config.stop - 1].name}), "
        f"{contract.horizon} steps of {contract.step_seconds:g} s, the first after {contract.first_step_seconds:g} s",
        f"robot        {contract.robot} (profile {contract.robot_hash[:12]})",
    ]
    for arm in contract.arms:
        grip = arm.gripper
        lines.append(
            f"arm          {arm.name}, {arm.side}: {', '.join(arm.joints)}; {arm.eef_frame} in {arm.base_frame}"
        )
        if grip is not None:
            lines.append(f"gripper      {grip.joint}: {grip.closed:g} closed (0) to {grip.open:g} open (1)")
    lines += [
        f"cameras      {', '.join(contract.cameras) or 'none'}",
        f"conventions  quaternions {contract.quaternion_order}; 6-D rotation: {contract.rotation_6d}; "
        f"{', '.join(contract.sides)}",
        f"statistics   {found.normalisation.source}",
    ]
    methods = sorted(f"{kind} {method}" for kind, method in found.normalisation.methods.items())
    lines.append(f"             {', '.join(methods)}; actions within {found.normalisation.margin:g} of their range")
    for index, value in enumerate(VALUES):
        if found.normalisation.actions.count[index]:
            lines.append(
                f"  {value.name:32} {value.unit:4} state {_range(found.normalisation.state, index)} "
                f"action {_range(found.normalisation.actions, index)}"
            )
    lines += [f"file         {name}: {entry.bytes} bytes, {entry.sha256}" for name, entry in manifest.files.items()]
    return lines


def _range(statistics: "ValueStatistics", index: int) -> str:
    low, high = statistics.minimum[index], statistics.maximum[index]
    return "-" if low is None or high is None else f"{low:9.4f} to {high:9.4f}"

from pathlib import Path

import pytest
import yaml

from mivla_ros.serving.adapter import adapter_names, load_adapter
from mivla_ros.serving.errors import AdapterError

GOOD = {
    "name": "mine",
    "images": [{"key": ["images", "a"], "camera": "head_camera", "size": [224, 224]}],
    "state": [{"key": "state", "values": [{"arm": "any", "of": "joints", "count": 6}]}],
    "actions": {
        "horizon": 10,
        "step_seconds": 0.02,
        "period_seconds": 0.1,
        "values": [{"arm": "any", "of": "joints", "count": 6}, {"arm": "any", "of": "gripper"}],
    },
}


def write(folder: Path, data: object) -> str:
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(data) if not isinstance(data, str) else data)
    return str(file)


def changed(path: str, value: object) -> dict:
    """GOOD with one entry set, or taken away where the value is None."""
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    *way, last = path.split(".")
    place = data
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    if value is None:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return data


@pytest.mark.parametrize("name", adapter_names())
def test_every_adapter_of_the_package_is_whole_and_named_as_its_file(name: str) -> None:
    adapter = load_adapter(name)
    assert adapter.name == name
    assert adapter.description
    assert sum(value.count for value in adapter.actions.values) <= adapter.actions.size


def test_there_are_adapters_for_the_layouts_of_openpi_and_for_the_piper() -> None:
    assert {"aloha", "aloha_pi", "droid", "libero", "pi_runtime", "piper", "h_rdt"} <= set(adapter_names())


def test_a_file_of_ones_own_is_read_with_defaults(tmp_path: Path) -> None:
    adapter = load_adapter(write(tmp_path, GOOD))
    assert (adapter.name, adapter.prompt, adapter.actions.key, adapter.actions.size) == (
        "mine",
        ("prompt",),
        ("actions",),
        7,
    )
    assert (adapter.images[0].order, adapter.images[0].fit, adapter.images[0].needed) == ("hwc", "pad", True)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("name", None, "name: is missing"),
        ("name", 3, "name: is 3, must be of type str"),
        ("sped", 1, "sped: is not a known key"),
        ("images.0.size", [224], "images[0].size: is [224], must be 2"),
        ("images.0.size", [-1, 5], "images[0].size"),
        ("images.0.size", [9999, 5], "images[0].size"),
        ("images.0.order", "cwh", "images[0].order: is 'cwh', must be one of hwc, chw"),
        ("images.0.fit", "squeeze", "must be one of pad, stretch, crop"),
        ("images.0.fill", [0, 0, 256], "images[0].fill"),
        ("images.0.needed", "perhaps", "images[0].needed"),
        ("images.0.key", "state", "state: is used twice"),
        ("images.0.key", ["state", "a"], "state: is used twice"),
        ("state.0.values.0.arm", "middle", "state[0].values[0].arm: is 'middle', must be one of left, right, any"),
        ("state.0.values.0.of", "torque", "must be one of joints, position, rotation, gripper, zeros"),
        ("state.0.values.0.count", 0, "state[0].values[0].count: is 0"),
        ("state.0.values.0.signs", [1, -1], "signs: is [1, -1], must be 6"),
        ("state.0.values.0.signs", [1, 1, 1, 1, 1, 2], "must be of 1 and -1"),
        ("state.0.values.0.scale", 0, "scale: is 0, must be above 0"),
        ("state.0.values.0.scale", float("nan"), "scale"),
        ("state.0.values.0.unit", "turns", "must be one of rad, deg"),
        ("state.0.size", 5, "state[0].size: is 5, its values fill 6"),
        ("actions.horizon", 0, "actions.horizon: is 0, must be from 1 to 1024"),
        ("actions.horizon", 10.5, "actions.horizon"),
        ("actions.step_seconds", 0, "actions.step_seconds: is 0"),
        ("actions.period_seconds", None, "actions.period_seconds: is missing"),
        ("actions.values.1.closed", 1, "open: is [1.0], must differ from closed"),
        ("actions.values.1.open", [1, 2], "open: is [1, 2], must be 1"),
        ("actions.values.1.clip", [1, -1], "clip: is [1.0, -1.0], must be low, high"),
        ("actions.values.1.reference", "previous", "reference"),
        ("actions.values.1.linkage", {"rod": 0.01, "horn": 0.02, "linear": [1, 2], "angle": [0, 1]}, "longer than"),
        ("actions.values.0.reference", "later", "must be one of absolute, observation, previous"),
        ("actions.values.0", {"arm": "any", "of": "position"}, "needs either joints, or position and rotation"),
        ("actions.values.0", {"arm": "left", "of": "joints", "count": 6}, "arm any stands beside left"),
        ("actions.values.1", {"arm": "any", "of": "joints", "count": 6}, "joints of arm any appear twice"),
        ("actions.values.1", {"arm": "any", "of": "rotation", "as": "euler"}, "must be one of axis_angle"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_key(tmp_path: Path, path: str, value: object, words: str) -> None:
    data = changed(path, value)
    if path == "actions.values.1.reference":
        words = "reference: is not a known key"
    with pytest.raises(AdapterError) as error:
        load_adapter(write(tmp_path, data))
    assert words in str(error.value)
    assert "mine.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "is not YAML"), ("- 1", "must hold a mapping"), ("!!python/name:os.system", "YAML")]
)
def test_files_that_are_no_mapping_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(AdapterError, match=words):
        load_adapter(write(tmp_path, text))


def test_unknown_names_and_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="adapter alhoa: is not known, there are aloha, aloha_pi"):
        load_adapter("alhoa")
    with pytest.raises(AdapterError, match="No such file"):
        load_adapter(str(tmp_path / "none.yaml"))

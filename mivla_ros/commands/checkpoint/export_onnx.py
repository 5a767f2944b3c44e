"""Make a checkpoint's ONNX graphs beforehand; a policy makes them by itself at its first start otherwise.

They lie beside the weights, in onnx/, in a folder of these weights' hash.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla checkpoint export-onnx`."""
    parser.add_argument("folder", type=Path, help="the checkpoint's")
    parser.add_argument("--precision", nargs="+", default=["float32", "int8"], choices=["float32", "int8"])
    parser.add_argument("--encoders", default="", help="folder with the public encoders' weights, where it uses them")


def run(arguments: argparse.Namespace) -> int:
    """Export and say where to."""
    from mivla_ros.inference.onnx_export import graph_files
    from mivla_ros.model.checkpoint import load_checkpoint
    from mivla_ros.model.encoder_weights import EncoderSource

    checkpoint = load_checkpoint(arguments.folder, encoders=EncoderSource(folder=arguments.encoders))
    for precision in arguments.precision:
        files = graph_files(checkpoint.network, len(checkpoint.contract.cameras), precision, arguments.folder)
        for path in (files.observation, files.step):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0

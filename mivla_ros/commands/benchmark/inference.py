"""Measure inference stage by stage: every engine against the plain path, all in one run.

tiny and small on the CPU, base on a GPU where there is one. Random weights and images: only time and agreement are
looked at. Prints Markdown; --out writes it between the marks of a document. Other work on the machine makes every
figure larger; the ratios suffer less.
"""

import argparse
from pathlib import Path

BEGIN, END = "<!-- mivla benchmark inference {}: begin -->", "<!-- end -->"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla benchmark inference`."""
    parser.add_argument("--config", default="tiny", choices=["tiny", "small", "base"], help="named network")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda for base, else cpu")
    parser.add_argument("--rounds", type=int, default=20, help="turns of every path (default %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch and ONNX Runtime; 0: as many as there are")
    parser.add_argument("--compile", action="store_true", help="also torch.compile; takes a minute or more to begin")
    parser.add_argument("--out", type=Path, help="document whose marked part is replaced, such as docs/inference.md")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write where asked to."""
    import os
    import platform

    import torch

    from mivla_ros.commands.errors import CommandError
    from mivla_ros.documents import write_between_marks
    from mivla_ros.inference.benchmark import compare, table
    from mivla_ros.inference.fast_inference import EngineName

    device = arguments.device or ("cuda" if arguments.config == "base" else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise CommandError(f"{arguments.config} is measured on a GPU, PyTorch finds none here (--device cpu insists)")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    engines = [EngineName.TORCH]
    engines += [EngineName.CUDA_GRAPHS] if device == "cuda" else [EngineName.ONNX, EngineName.ONNX_INT8]
    engines += [EngineName.COMPILED] if arguments.compile else []
    where = torch.cuda.get_device_name() if device == "cuda" else f"{_processor(platform.processor())}"
    load = os.getloadavg()[0]
    results = compare(arguments.config, engines, arguments.rounds, device)
    text = (
        f"`{arguments.config}` on {where}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, "
        f"load {load:.1f} "
        f"when it began; {arguments.rounds} rounds; ms, medians.\n\n{table(results)}"
    )
    print(text)
    if arguments.out:
        write_between_marks(arguments.out, text, BEGIN.format(arguments.config), END)
    return 0


def _processor(otherwise: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return otherwise or "this processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else otherwise or "this processor"

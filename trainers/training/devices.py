"""Which device a model trains on, and how it is told. Imports torch."""

from __future__ import annotations

import torch


def choose() -> torch.device:
    """The GPU that this process was given, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe() -> str:
    """The version of torch and the devices that it sees, in one line."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"torch {torch.__version__}, {', '.join(gpus) or 'no GPU'}"


def half_precision(device: torch.device) -> torch.dtype | None:
    """The 16-bit type for the forward pass: bfloat16 where the GPU has it, else float16; None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16

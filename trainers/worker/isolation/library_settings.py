"""The settings of libraries that a trainer may have imported: torch's switches, pandas' options, MLflow's hooks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from goodfit.trainers.worker.isolation.setting import Setting, attribute, dictionary


def _torch() -> Iterator[Setting]:
    import torch
    import torch.backends.opt_einsum  # torch 2.6 imports it on demand alone
    from torch._tensor_str import PRINT_OPTS
    from torch.nn.modules import module as modules
    from torch.optim import optimizer as optimizers

    yield Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype)
    anomaly = torch.autograd.set_detect_anomaly
    yield Setting(
        "torch's anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: anomaly(*value),
    )
    yield Setting(
        "torch's deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    )
    yield Setting(
        "torch's precision of matrix products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    )
    sharing = torch.multiprocessing
    yield Setting("torch's sharing of tensors", sharing.get_sharing_strategy, sharing.set_sharing_strategy)
    yield Setting("torch's process group", _has_process_group, lambda _: _end_process_group())
    yield Setting("torch's warnings", torch.is_warn_always_enabled, torch.set_warn_always)
    for owner, names in (
        (torch.backends.cudnn, ("enabled", "benchmark", "deterministic", "allow_tf32", "benchmark_limit")),
        (torch.backends.cuda.matmul, ("allow_tf32", "allow_fp16_reduced_precision_reduction")),
        (torch.backends.mkldnn, ("enabled",)),
        (torch.backends.opt_einsum, ("enabled", "strategy")),
        (torch.backends.quantized, ("engine",)),
        (torch.distributions.Distribution, ("_validate_args",)),
        (torch.hub, ("_hub_dir",)),
        (torch.utils.deterministic, ("fill_uninitialized_memory",)),
    ):
        yield from (attribute(owner, name) for name in names)
    yield dictionary("torch's print options", vars(PRINT_OPTS))
    yield from _torch_switches()
    for owner in (modules, optimizers):
        for name, hooks in vars(owner).items():
            if name.startswith("_global_") and isinstance(hooks, dict):
                yield dictionary(f"torch's {name}", hooks)


def _torch_switches() -> Iterator[Setting]:
    """Which kernels torch takes, and how it loads and converts."""
    import torch

    cuda, backends = torch.backends.cuda, torch.backends
    for kind in ("flash", "mem_efficient", "math", "cudnn"):
        yield Setting(
            f"torch's {kind} attention", getattr(cuda, f"{kind}_sdp_enabled"), getattr(cuda, f"enable_{kind}_sdp")
        )
    yield attribute(cuda.matmul, "allow_bf16_reduced_precision_reduction")
    yield Setting("torch's linear algebra", cuda.preferred_linalg_library, cuda.preferred_linalg_library)
    yield Setting("NNPACK", torch._C._get_nnpack_enabled, backends.nnpack.set_flags)  # noqa: SLF001 - no other way
    yield Setting("torch's fast path", backends.mha.get_fastpath_enabled, backends.mha.set_fastpath_enabled)
    yield Setting("torch's threads between operations", torch.get_num_interop_threads, torch.set_num_interop_threads)
    future = torch.__future__
    for name in ("overwrite_module_params_on_conversion", "swap_module_params_on_conversion"):
        yield Setting(f"torch's {name}", getattr(future, f"get_{name}"), getattr(future, f"set_{name}"))


def _has_process_group() -> bool:
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def _end_process_group() -> None:
    from torch import distributed

    if _has_process_group():
        distributed.destroy_process_group()


def _numpy() -> Iterator[Setting]:
    import numpy as np

    yield Setting("numpy's print options", np.get_printoptions, lambda value: np.set_printoptions(**value))


def _pandas() -> Iterator[Setting]:
    from pandas._config import config

    values: dict[str, Any] = vars(config)["_global_config"]  # pandas has no public way to all of its options
    yield Setting("pandas' options", lambda: _copied(values), lambda value: values.update(_copied(value)))


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in values.items()}


def _matplotlib() -> Iterator[Setting]:
    import matplotlib as mpl

    params = mpl.rcParams
    yield Setting("matplotlib's rcParams", lambda: dict.copy(params), lambda value: dict.update(params, value))


def _pyplot() -> Iterator[Setting]:
    from matplotlib import pyplot as plt

    def write(numbers: list[int]) -> None:
        for number in set(plt.get_fignums()) - set(numbers):
            plt.close(number)

    yield Setting("pyplot's figures", plt.get_fignums, write)


def _images() -> Iterator[Setting]:
    from PIL import Image, ImageFile

    yield attribute(Image, "MAX_IMAGE_PIXELS")
    yield attribute(ImageFile, "LOAD_TRUNCATED_IMAGES")


def _decimal() -> Iterator[Setting]:
    import decimal

    names = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    yield from (attribute(decimal.DefaultContext, name) for name in names)  # of threads to come


def _asyncio() -> Iterator[Setting]:
    from asyncio import events

    yield attribute(events, "_event_loop_policy")  # get_event_loop_policy would make one


def _transformers() -> Iterator[Setting]:
    module = sys.modules["transformers.utils.logging"]
    yield from (attribute(module, name) for name in ("_tqdm_active", "_default_handler"))


def _autologging() -> Iterator[Setting]:
    """Which libraries MLflow logs by itself: without a configuration, what it has put around their functions rests."""
    found: dict[str, Any] = vars(sys.modules["mlflow.utils.autologging_utils"])["AUTOLOGGING_INTEGRATIONS"]

    def write(value: Mapping[str, Any]) -> None:
        for name in found:  # MLflow enters each library's once
            found[name] = dict(value.get(name, {}))

    yield Setting("MLflow's autologging", lambda: _copied(found), write)


def _import_hooks() -> Iterator[Setting]:
    """What MLflow does to a library as soon as that is imported."""
    found: dict[str, Any] = vars(sys.modules["mlflow.utils.import_hooks"])["_post_import_hooks"]

    def waiting() -> dict[str, list[Any]]:
        return {name: list(hooks) for name, hooks in found.items() if hooks}  # none is left of an imported library

    def write(value: Mapping[str, list[Any]]) -> None:
        for name in waiting():
            if name in value:
                found[name][:] = value[name]
            else:  # an empty list would say that the library has been imported, and MLflow's loader would take it over
                del found[name]

    yield Setting("MLflow's import hooks", waiting, write)


LIBRARIES: Mapping[str, Callable[[], Iterator[Setting]]] = {
    "torch.optim.optimizer": _torch,
    "numpy": _numpy,
    "pandas": _pandas,
    "matplotlib": _matplotlib,
    "matplotlib.pyplot": _pyplot,
    "PIL.ImageFile": _images,
    "decimal": _decimal,
    "asyncio.events": _asyncio,
    "transformers.utils.logging": _transformers,
    "mlflow.utils.autologging_utils": _autologging,
    "mlflow.utils.import_hooks": _import_hooks,
}
# Those that a trainer may import while it trains; torch's are read when all of torch has been imported.
LATE = LIBRARIES.keys() - {"torch.optim.optimizer"}

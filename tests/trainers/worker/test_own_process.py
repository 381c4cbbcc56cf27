"""What a worker in a process of its own sets up there."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def said(code: str) -> str:
    """What code prints in a new process."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


OPTIMIZER = """
    import sys
    from goodfit.trainers.seeding import seed_generators
    from goodfit.trainers.worker import late_compiler

    seed_generators(0, 0)  # from here on imports are heard
    late_compiler.put_off()
    import torch

    def make():
        weight = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.AdamW([weight], fused=True)
        optimizer.zero_grad()
        optimizer.load_state_dict(optimizer.state_dict())
        return optimizer

    make()
    print("torch._dynamo" in sys.modules)
"""


def test_an_optimizer_does_not_import_torchs_compiler() -> None:
    assert said(OPTIMIZER) == "False"


def test_a_compiled_function_still_calls_an_optimizers_methods_uncompiled() -> None:
    code = """
    import torch._dynamo
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    @torch.compile(backend=backend)
    def twice(x):
        make()
        return 2 * x

    print(twice(torch.ones(2)).tolist())
    methods = torch.optim.Optimizer.zero_grad, torch.optim.Optimizer.state_dict
    print({vars(one.__wrapped__)[late_compiler.KEPT].__module__ for one in methods})  # the compiler's, made once
    """
    assert said(OPTIMIZER + code).splitlines()[1:] == ["[2.0, 2.0]", "{'torch._dynamo.eval_frame'}"]


def test_memory_that_is_freed_is_not_asked_for_anew() -> None:
    code = """
    import resource
    import torch
    from goodfit.trainers.worker import memory

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            [torch.ones(1 << 20) for _ in range(4)]
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    memory.keep()
    faults()
    print(faults())
    """
    assert int(said(code)) < 4096  # the pages of four such tensors; they were cleared 20 times without it

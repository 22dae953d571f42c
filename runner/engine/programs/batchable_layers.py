"""What layers of torch need before vmap can batch them: attention without fused operators, norms in one precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

NORMS = (nn.LayerNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)


@contextmanager
def batchable_attention() -> Iterator[None]:
    """Let attention be computed by products and a softmax, which vmap can batch; it cannot the fused operators.

    In mixed precision the products stay in the low one: autocast would take back what is cast up for them.
    """
    fast, low = torch.backends.mha.get_fastpath_enabled(), torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(low)


def normalise_in_single_precision(module: nn.Module) -> None:
    """Let normalisations compute in the precision of their parameters, whatever they are given.

    A lone run's do so inside one operation; of its batched form vmap makes several, which refuse a mixture.
    """
    for part in module.modules():
        if isinstance(part, NORMS):
            part.forward = _in_single_precision(part.forward)  # type: ignore[method-assign]


def _in_single_precision(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: forward(x.float()).to(x.dtype)

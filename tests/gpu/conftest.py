"""What must hold on a GPU as on the processor; skipped where PyTorch sees none.

Operations are deterministic here, so that "bit for bit" means something.
"""

import os
from collections.abc import Iterator

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used

import pytest
import torch


@pytest.fixture(autouse=True)
def _deterministic_on_a_gpu() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch.cuda.is_available() is false")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)

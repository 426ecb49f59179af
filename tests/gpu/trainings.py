"""Networks and optimisers on a GPU, and all that a training with them depends on."""

from typing import Any

import torch
from torch import Tensor, nn

from doctor import networks as net
from doctor.test_fused_attention import Grouped
from doctor.test_shared_modules import residual


class Dropping(net.LSTM):
    """Two layers with dropout between them, for which cuDNN keeps a random stream of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 32, num_layers=2, dropout=0.5, batch_first=True)


NETWORKS: dict[str, Any] = net.HEALTHY | {
    "lstm, dropout": (Dropping, net.sequences, net.sequence_loss),
    "grouped queries": (Grouped, net.sequences, net.sequence_loss),
    "shared activation": (residual, net.images, nn.functional.cross_entropy),
}
OPTIMISERS: dict[str, Any] = {
    "AdamW": lambda p: torch.optim.AdamW(p, 1e-3),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, 1e-3, fused=True),
    "AdamW, capturable": lambda p: torch.optim.AdamW(p, torch.tensor(1e-3, device="cuda"), capturable=True),
    "SGD, momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
}


def on_gpu(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].cuda(), batch[1].cuda()


def same(value: Any) -> Any:
    """Everything in it, so that it can be compared: tensors as where they are and what they hold, byte for byte."""
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        return str(value.device), str(value.dtype), tuple(value.shape), content
    if isinstance(value, dict):
        return {str(key): same(item) for key, item in value.items()}
    return [same(item) for item in value] if isinstance(value, list | tuple) else value


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All that training depends on."""
    return {
        "values": same(model.state_dict()),
        "gradients": same([p.grad for p in model.parameters()]),
        "modes": [module.training for module in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "optimizer": same(optimizer.state_dict()),
        "streams": same([torch.get_rng_state(), *torch.cuda.get_rng_state_all()]),
        "cuDNN": torch.backends.cudnn.enabled,
    }

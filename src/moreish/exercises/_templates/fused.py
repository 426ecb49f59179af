# moreish exercise: fused
"""Two gradients in one step each.

Softmax and cross-entropy are eight operations, batch norm is seven. Derive on paper what their gradients come to as one
expression, and put it in the place of each None. Then, in a terminal:

    moreish exercise check fused.py
"""

import torch
import torch.nn.functional as F

# n examples, context of 3 characters, E = embedding size, H = hidden size, V = vocabulary size
n, context, E, H, V = 8, 3, 4, 6, 5
g = torch.Generator().manual_seed(2147483647)

C = torch.randn((V, E), generator=g)
W1 = torch.randn((context * E, H), generator=g) * (5 / 3) / (context * E) ** 0.5
b1 = torch.randn(H, generator=g) * 0.1
W2 = torch.randn((H, V), generator=g) * 0.1
b2 = torch.randn(V, generator=g) * 0.1
bngain = torch.randn((1, H), generator=g) * 0.1 + 1
bnbias = torch.randn((1, H), generator=g) * 0.1
Xb = torch.randint(0, V, (n, context), generator=g)
Yb = torch.randint(0, V, (n,), generator=g)

# --- The forward pass -------------------------------------------------------------------------------------------------

hprebn = C[Xb].view(n, -1) @ W1 + b1  # (n, H)
bnvar_inv = (hprebn.var(0, keepdim=True) + 1e-5) ** -0.5  # (1, H); torch divides by n - 1
bnraw = (hprebn - hprebn.mean(0, keepdim=True)) * bnvar_inv  # (n, H)
hpreact = bngain * bnraw + bnbias  # (n, H)
h = torch.tanh(hpreact)  # (n, H)
logits = h @ W2 + b2  # (n, V)
loss = F.cross_entropy(logits, Yb)

# --- Softmax and cross-entropy in one: from logits and Yb alone -------------------------------------------------------

dlogits = None  # (n, V)

# --- Batch norm in one: from dhpreact, bngain, bnraw, bnvar_inv and n -------------------------------------------------

dhpreact = (1 - h**2) * torch.func.grad(lambda h: F.cross_entropy(h @ W2 + b2, Yb))(h)  # (n, H), given

dhprebn = None  # (n, H)

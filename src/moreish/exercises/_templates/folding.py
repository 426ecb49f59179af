# moreish exercise: folding
"""Fold batch norm into the linear layer before it, so that inference needs it no longer.

After training, batch norm uses fixed means and variances. So it only scales and shifts what the linear layer gives,
and a linear layer with other weights can do that itself. Put the new weights and biases in the place of each None.
Then, in a terminal:

    moreish exercise check folding.py
"""

import torch

# three linear layers; n examples, D inputs, H = hidden size, V outputs
n, D, H, V = 16, 6, 8, 5
epsilon = 1e-5
g = torch.Generator().manual_seed(2147483647)

X = torch.randn((n, D), generator=g)
W1, b1 = torch.randn((D, H), generator=g) / D**0.5, torch.randn(H, generator=g) * 0.1
W2, b2 = torch.randn((H, H), generator=g) / H**0.5, torch.randn(H, generator=g) * 0.1
W3, b3 = torch.randn((H, V), generator=g) / H**0.5, torch.randn(V, generator=g) * 0.1
gamma1, beta1 = torch.rand(H, generator=g) + 0.5, torch.randn(H, generator=g) * 0.1
gamma2, beta2 = torch.rand(H, generator=g) + 0.5, torch.randn(H, generator=g) * 0.1
mean1, var1 = torch.randn(H, generator=g) * 0.5, torch.rand(H, generator=g) + 0.5  # running statistics
mean2, var2 = torch.randn(H, generator=g) * 0.5, torch.rand(H, generator=g) + 0.5


def batch_norm(x, gamma, beta, mean, var):
    return gamma * (x - mean) / torch.sqrt(var + epsilon) + beta


h1 = torch.tanh(batch_norm(X @ W1 + b1, gamma1, beta1, mean1, var1))  # (n, H)
h2 = torch.tanh(batch_norm(h1 @ W2 + b2, gamma2, beta2, mean2, var2))  # (n, H)
logits = h2 @ W3 + b3  # (n, V)

# --- Yours: so that tanh(X @ W1_folded + b1_folded) is h1, and so on --------------------------------------------------

W1_folded = None  # (D, H)
b1_folded = None  # (H,)
W2_folded = None  # (H, H)
b2_folded = None  # (H,)

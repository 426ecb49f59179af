# moreish exercise: backprop
"""Backpropagation by hand, one operation at a time.

The forward pass of a small network stands below, in single operations. Work out the gradient of the loss with respect
to every value, from the loss backwards, and put it in the place of each None. Then, in a terminal:

    moreish exercise check backprop.py

Use the values of the forward pass and the gradients that you have already; not loss.backward().
"""

import torch

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

emb = C[Xb]  # (n, 3, E)
embcat = emb.view(n, -1)  # (n, 3·E)
hprebn = embcat @ W1 + b1  # (n, H)
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)  # (1, H)
bndiff = hprebn - bnmeani  # (n, H)
bndiff2 = bndiff**2  # (n, H)
bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)  # (1, H), divided by n - 1 (Bessel's correction)
bnvar_inv = (bnvar + 1e-5) ** -0.5  # (1, H)
bnraw = bndiff * bnvar_inv  # (n, H)
hpreact = bngain * bnraw + bnbias  # (n, H)
h = torch.tanh(hpreact)  # (n, H)
logits = h @ W2 + b2  # (n, V)
logit_maxes = logits.max(1, keepdim=True).values  # (n, 1)
norm_logits = logits - logit_maxes  # (n, V)
counts = norm_logits.exp()  # (n, V)
counts_sum = counts.sum(1, keepdim=True)  # (n, 1)
counts_sum_inv = counts_sum**-1  # (n, 1)
probs = counts * counts_sum_inv  # (n, V)
logprobs = probs.log()  # (n, V)
loss = -logprobs[range(n), Yb].mean()

# --- The backward pass: yours -----------------------------------------------------------------------------------------

dlogprobs = None  # (n, V)
dprobs = None  # (n, V)
dcounts_sum_inv = None  # (n, 1)
dcounts_sum = None  # (n, 1)
dcounts = None  # (n, V)
dnorm_logits = None  # (n, V)
dlogit_maxes = None  # (n, 1)
dlogits = None  # (n, V)
dh = None  # (n, H)
dW2 = None  # (H, V)
db2 = None  # (V,)
dhpreact = None  # (n, H)
dbngain = None  # (1, H)
dbnbias = None  # (1, H)
dbnraw = None  # (n, H)
dbnvar_inv = None  # (1, H)
dbnvar = None  # (1, H)
dbndiff2 = None  # (n, H)
dbndiff = None  # (n, H)
dbnmeani = None  # (1, H)
dhprebn = None  # (n, H)
dembcat = None  # (n, 3·E)
dW1 = None  # (3·E, H)
db1 = None  # (H,)
demb = None  # (n, 3, E)
dC = None  # (V, E)

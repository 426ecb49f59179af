# moreish exercise: zero-init
"""What trains when all weights and biases are zero, and why?

The network below is initialised with zeros, all but its embedding, and trained. Look at its gradients and activations
(print what you like), and put an answer in the place of each None. Then, in a terminal:

    moreish exercise check zero_init.py
"""

import torch
import torch.nn.functional as F

names = [
    "emma",
    "olivia",
    "ava",
    "isabella",
    "sophia",
    "charlotte",
    "mia",
    "amelia",
    "harper",
    "evelyn",
    "noah",
    "liam",
]
characters = [".", *sorted(set("".join(names)))]
context, E, H, V = 3, 4, 16, len(characters)

examples = []
for name in names:
    ids = [0] * context + [characters.index(character) for character in name] + [0]
    examples += [ids[i : i + context + 1] for i in range(len(ids) - context)]
X, Y = torch.tensor(examples)[:, :context], torch.tensor(examples)[:, context]

parameters = {
    "C": torch.randn((V, E), generator=torch.Generator().manual_seed(2147483647)),
    "W1": torch.zeros((context * E, H)),
    "b1": torch.zeros(H),
    "W2": torch.zeros((H, H)),
    "b2": torch.zeros(H),
    "W3": torch.zeros((H, V)),
    "b3": torch.zeros(V),
}
for parameter in parameters.values():
    parameter.requires_grad = True

p = parameters
for step in range(1000):
    h1 = torch.tanh(p["C"][X].view(len(X), -1) @ p["W1"] + p["b1"])
    h2 = torch.tanh(h1 @ p["W2"] + p["b2"])
    logits = h2 @ p["W3"] + p["b3"]
    loss = F.cross_entropy(logits, Y)
    gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
    if step % 100 == 0:
        print(f"step {step}: loss {loss.item():.4f}")
    for name, parameter in parameters.items():
        parameter.data -= 1.0 * gradients[name]

# --- Your answers -----------------------------------------------------------------------------------------------------

# Which parameters have a gradient that is not zero at step 0? A set of names, such as {"C", "W1"}.
trained_at_step_0 = None
# And which ever have one, in a training however long?
trained_ever = None
# What loss does a training without end come to, in nats? Not what you read off, but what it is: calculate it from Y.
final_loss = None
# Does what the network predicts depend on the context? True or False.
depends_on_context = None

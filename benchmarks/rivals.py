"""The training step as people write it without moreish: for benchmarks/engines.py to stand beside.

Each rival is made from a recipe and the windows, contexts (N, T) and targets (N,), and is a function that carries out
some steps and returns the last one's loss. All begin with the same normal weights over √fan-in, take SGD or AdamW in
float32, draw their minibatches themselves and report nothing on the way.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from moreish.recipe import Recipe

Steps = Callable[[int], float]  # carries out so many steps, returns the last one's loss


class Linear:
    def __init__(self, fan_in: int, fan_out: int, scale: float, has_bias: bool) -> None:
        self.weight = torch.randn(fan_in, fan_out) * scale / fan_in**0.5
        self.bias = torch.zeros(fan_out) if has_bias else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        out = x @ self.weight
        return out if self.bias is None else out + self.bias

    def parameters(self) -> list[torch.Tensor]:
        return [self.weight] + ([] if self.bias is None else [self.bias])


class BatchNorm:
    """As the lectures write it: over all dimensions but the last, with running statistics."""

    def __init__(self, size: int, momentum: float, epsilon: float, keeps_std: bool) -> None:
        self.gamma, self.beta = torch.ones(size), torch.zeros(size)
        self.running_mean, self.running_spread = torch.zeros(size), torch.ones(size)
        self.momentum, self.epsilon, self.keeps_std = momentum, epsilon, keeps_std

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        dims = tuple(range(x.ndim - 1))
        mean = x.mean(dims, keepdim=True)
        if self.keeps_std:
            spread = x.std(dims, keepdim=True)
            out = self.gamma * (x - mean) / spread + self.beta
        else:
            spread = x.var(dims, keepdim=True)
            out = self.gamma * (x - mean) / torch.sqrt(spread + self.epsilon) + self.beta
        with torch.no_grad():
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean.reshape(-1)
            self.running_spread = (1 - self.momentum) * self.running_spread + self.momentum * spread.reshape(-1)
        return out

    def parameters(self) -> list[torch.Tensor]:
        return [self.gamma, self.beta]


class Network:
    """The lectures' network: embedding, then for each layer join, linear, perhaps batch norm, tanh."""

    def __init__(self, recipe: Recipe, vocab_size: int) -> None:
        assert isinstance(recipe.embedding, int)
        self.embedding = torch.randn(vocab_size, recipe.embedding)
        self.joined = 2 if recipe.model == "hierarchical" else recipe.context
        self.is_hierarchical = recipe.model == "hierarchical"
        self.layers: list[tuple[Linear, BatchNorm | None]] = []
        size, is_normed = recipe.embedding * self.joined, recipe.norm == "batch"
        for hidden in recipe.hidden:
            self.layers.append((Linear(size, hidden, 5 / 3, not is_normed), self._norm(recipe, hidden, is_normed)))
            size = hidden * (2 if self.is_hierarchical else 1)
        size = recipe.hidden[-1]
        has_norm = recipe.norm_output
        self.head = (Linear(size, vocab_size, 0.1, not has_norm), self._norm(recipe, vocab_size, has_norm))
        self.parameters = [self.embedding]
        for linear, norm in [*self.layers, self.head]:
            self.parameters += linear.parameters() + (norm.parameters() if norm else [])

    @staticmethod
    def _norm(recipe: Recipe, size: int, is_normed: bool) -> BatchNorm | None:
        if not is_normed:
            return None
        is_notebooks = recipe.norm_convention == "notebook"
        return BatchNorm(size, 0.001, 0.0, True) if is_notebooks else BatchNorm(size, 0.1, 1e-5, False)

    def loss(self, contexts: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.embedding[contexts]  # (B, T, E)
        if not self.is_hierarchical:
            x = x.view(x.shape[0], -1)
        for linear, norm in self.layers:
            if self.is_hierarchical:
                B, T, size = x.shape
                x = x.view(B, T // 2, 2 * size)
                x = x.squeeze(1) if x.shape[1] == 1 else x
            x = linear(x)
            x = torch.tanh(norm(x) if norm else x)
        linear, norm = self.head
        x = linear(x)
        return F.cross_entropy(norm(x) if norm else x, targets)


def eager(recipe: Recipe, contexts: np.ndarray, targets: np.ndarray, vocab_size: int) -> Steps:
    """The notebooks' loop: draw, look up, forward, backward, update, one operation of PyTorch after another."""
    X, Y = torch.from_numpy(contexts.astype(np.int64)), torch.from_numpy(targets.astype(np.int64))
    torch.manual_seed(1)
    network = Network(recipe, vocab_size)
    for p in network.parameters:
        p.requires_grad = True
    adamw = None
    if recipe.optimizer == "adamw":
        adamw = torch.optim.AdamW(network.parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)

    def steps(num_steps: int) -> float:
        loss = torch.tensor(0.0)
        for _ in range(num_steps):
            ix = torch.randint(0, X.shape[0], (recipe.batch,))
            loss = network.loss(X[ix], Y[ix])
            for p in network.parameters:
                p.grad = None
            loss.backward()
            if adamw:
                adamw.step()
            else:
                for p in network.parameters:
                    assert p.grad is not None
                    p.data += -recipe.learning_rate * p.grad
        return loss.item()

    return steps


def compiled(recipe: Recipe, contexts: np.ndarray, targets: np.ndarray, vocab_size: int) -> Steps:
    """`torch.compile` of the whole step, minibatch and update included."""
    X, Y = torch.from_numpy(contexts.astype(np.int64)), torch.from_numpy(targets.astype(np.int64))
    torch.manual_seed(1)
    network = Network(recipe, vocab_size)
    parameters = network.parameters
    for p in parameters:
        p.requires_grad = True
    adamw = None
    if recipe.optimizer == "adamw":
        rate = torch.tensor(recipe.learning_rate)  # a tensor, or each new value would be compiled again
        adamw = torch.optim.AdamW(parameters, rate, weight_decay=recipe.weight_decay)

    @torch.compile
    def forward(ix: torch.Tensor) -> torch.Tensor:
        return network.loss(X[ix], Y[ix])

    @torch.compile
    def step(ix: torch.Tensor) -> torch.Tensor:
        loss = network.loss(X[ix], Y[ix])
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():  # not p.add_(gradient, alpha=-rate), which PyTorch 2.13 compiles wrongly on processors
            for p, gradient in zip(parameters, gradients, strict=True):
                p -= recipe.learning_rate * gradient
        return loss.detach()

    def step_of_adamw(ix: torch.Tensor) -> torch.Tensor:
        loss = forward(ix)
        adamw.zero_grad()
        loss.backward()
        update()
        return loss.detach()

    update = torch.compile(lambda: adamw.step()) if adamw else None

    def steps(num_steps: int) -> float:
        loss = torch.tensor(0.0)
        for _ in range(num_steps):
            loss = (step_of_adamw if adamw else step)(torch.randint(0, X.shape[0], (recipe.batch,)))
        return loss.item()

    return steps


def scanned(recipe: Recipe, contexts: np.ndarray, targets: np.ndarray, vocab_size: int) -> Steps:
    """`jax.lax.scan` over the step, jitted: one call for many steps, as here."""
    import jax
    import jax.numpy as jnp

    torch.manual_seed(1)
    network = Network(recipe, vocab_size)
    is_hierarchical = network.is_hierarchical
    X, Y = jnp.asarray(contexts, jnp.int32), jnp.asarray(targets, jnp.int32)

    def arrays(linear: Linear, norm: BatchNorm | None) -> tuple[dict[str, Any], dict[str, Any]]:
        learnt: dict[str, Any] = {"weight": jnp.asarray(linear.weight.numpy())}
        if linear.bias is not None:
            learnt["bias"] = jnp.asarray(linear.bias.numpy())
        if norm is None:
            return learnt, {}
        learnt |= {"gamma": jnp.asarray(norm.gamma.numpy()), "beta": jnp.asarray(norm.beta.numpy())}
        running = {"mean": norm.running_mean, "spread": norm.running_spread}
        return learnt, {name: jnp.asarray(array.numpy()) for name, array in running.items()}

    pairs = [arrays(*layer) for layer in [*network.layers, network.head]]
    parameters = {"embedding": jnp.asarray(network.embedding.numpy()), "layers": [learnt for learnt, _ in pairs]}
    running = [kept for _, kept in pairs]
    norms = [norm for _, norm in [*network.layers, network.head]]

    def apply(x: Any, learnt: Any, kept: Any, norm: BatchNorm | None) -> tuple[Any, Any]:
        x = x @ learnt["weight"]
        if "bias" in learnt:
            x = x + learnt["bias"]
        if norm is None:
            return x, kept
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes, ddof=1)
        spread = jnp.sqrt(variance) if norm.keeps_std else variance
        scale = spread if norm.keeps_std else jnp.sqrt(variance + norm.epsilon)
        m = norm.momentum
        kept = {"mean": (1 - m) * kept["mean"] + m * mean, "spread": (1 - m) * kept["spread"] + m * spread}
        return learnt["gamma"] * (x - mean) / scale + learnt["beta"], jax.lax.stop_gradient(kept)

    def loss_of(parameters: Any, running: Any, contexts: Any, targets: Any) -> tuple[Any, Any]:
        x = parameters["embedding"][contexts]
        if not is_hierarchical:
            x = x.reshape(x.shape[0], -1)
        kept = []
        for i, (learnt, before, norm) in enumerate(zip(parameters["layers"], running, norms, strict=True)):
            is_hidden = i + 1 < len(norms)
            if is_hierarchical and is_hidden:
                x = x.reshape(x.shape[0], x.shape[1] // 2, -1)
                x = x[:, 0] if x.shape[1] == 1 else x
            x, after = apply(x, learnt, before, norm)
            kept.append(after)
            x = jnp.tanh(x) if is_hidden else x
        return -jnp.take_along_axis(jax.nn.log_softmax(x), targets[:, None], 1).mean(), kept

    is_adamw, rate, decay = recipe.optimizer == "adamw", recipe.learning_rate, recipe.weight_decay

    def step(carry: Any, _: Any) -> tuple[Any, Any]:
        parameters, running, first, second, t, key = carry
        key, drawn = jax.random.split(key)
        ix = jax.random.randint(drawn, (recipe.batch,), 0, X.shape[0])
        (loss, running), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, running, X[ix], Y[ix])
        t = t + 1
        if is_adamw:
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)

            def moved(p: Any, m: Any, v: Any) -> Any:
                return p * (1 - rate * decay) - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

            parameters = jax.tree.map(moved, parameters, first, second)
        else:
            parameters = jax.tree.map(lambda p, g: p - rate * g, parameters, gradients)
        return (parameters, running, first, second, t, key), loss

    moments = jax.tree.map(jnp.zeros_like, parameters) if is_adamw else ()
    carry = (parameters, running, moments, moments, jnp.float32(0), jax.random.key(1))
    run = jax.jit(lambda carry, num_steps: jax.lax.scan(step, carry, length=num_steps), static_argnums=1)

    def steps(num_steps: int) -> float:
        nonlocal carry
        carry, losses = run(carry, num_steps)
        return float(losses[-1])

    return steps


RIVALS: dict[str, Callable[[Recipe, np.ndarray, np.ndarray, int], Steps]] = {
    "eager": eager,
    "compile": compiled,
    "jax": scanned,
}

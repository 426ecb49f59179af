"""The solutions, once: a line for every None of the templates."""

SOLUTIONS: dict[str, dict[str, str]] = {
    "backprop": {
        "dlogprobs": "torch.zeros_like(logprobs).index_put((torch.arange(n), Yb), torch.tensor(-1 / n))",
        "dprobs": "dlogprobs / probs",
        "dcounts_sum_inv": "(counts * dprobs).sum(1, keepdim=True)",
        "dcounts_sum": "-(counts_sum**-2) * dcounts_sum_inv",
        "dcounts": "counts_sum_inv * dprobs + dcounts_sum",
        "dnorm_logits": "counts * dcounts",
        "dlogit_maxes": "-dnorm_logits.sum(1, keepdim=True)",
        "dlogits": "dnorm_logits + torch.eye(V)[logits.argmax(1)] * dlogit_maxes",
        "dh": "dlogits @ W2.T",
        "dW2": "h.T @ dlogits",
        "db2": "dlogits.sum(0)",
        "dhpreact": "(1 - h**2) * dh",
        "dbngain": "(bnraw * dhpreact).sum(0, keepdim=True)",
        "dbnbias": "dhpreact.sum(0, keepdim=True)",
        "dbnraw": "bngain * dhpreact",
        "dbnvar_inv": "(bndiff * dbnraw).sum(0, keepdim=True)",
        "dbnvar": "-0.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv",
        "dbndiff2": "1 / (n - 1) * torch.ones_like(bndiff2) * dbnvar",
        "dbndiff": "bnvar_inv * dbnraw + 2 * bndiff * dbndiff2",
        "dbnmeani": "-dbndiff.sum(0, keepdim=True)",
        "dhprebn": "dbndiff + 1 / n * dbnmeani",
        "dembcat": "dhprebn @ W1.T",
        "dW1": "embcat.T @ dhprebn",
        "db1": "dhprebn.sum(0)",
        "demb": "dembcat.view(n, context, E)",
        "dC": "torch.zeros_like(C).index_add(0, Xb.flatten(), demb.view(-1, E))",
    },
    "fused": {
        "dlogits": "(F.softmax(logits, 1) - F.one_hot(Yb, V)) / n",
        "dhprebn": "bngain * bnvar_inv / n * "
        "(n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))",
    },
    "zero-init": {
        "trained_at_step_0": '{"b3"}',
        "trained_ever": '{"b3"}',
        "final_loss": "torch.distributions.Categorical(torch.bincount(Y).float()).entropy()",
        "depends_on_context": "False",
    },
    "folding": {
        "W1_folded": "W1 * gamma1 / torch.sqrt(var1 + epsilon)",
        "b1_folded": "(b1 - mean1) * gamma1 / torch.sqrt(var1 + epsilon) + beta1",
        "W2_folded": "W2 * gamma2 / torch.sqrt(var2 + epsilon)",
        "b2_folded": "(b2 - mean2) * gamma2 / torch.sqrt(var2 + epsilon) + beta2",
    },
}

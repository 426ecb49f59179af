"""How the positions of a context come together on their way through a network: all at once, or two by two.

Source of the pairs: van den Oord et al. 2016, "WaveNet", arXiv:1609.03499, figure 3; as in makemore lecture 5.
"""

from moreish.recipe import Recipe


def num_joined(recipe: Recipe) -> tuple[int, ...]:
    """How many neighbouring positions each hidden layer joins before it multiplies, and last the output layer."""
    if recipe.model == "hierarchical":
        return (*(2 for _ in recipe.hidden), 1)
    return (recipe.context, *(1 for _ in recipe.hidden))


def joined_shape(shape: tuple[int, ...], num_joined: int) -> tuple[int, ...]:
    """The shape that joins n neighbours: (B, L, C) → (B, L/n, n·C), or (B, n·C) where one position is left."""
    B, L, C = shape
    return (B, num_joined * C) if num_joined == L else (B, L // num_joined, num_joined * C)

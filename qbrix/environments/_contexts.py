"""Laws of random contexts, and inner products that do not depend on the cut into blocks."""

from __future__ import annotations

from typing import Literal, cast, get_args

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.types import Array

__all__ = ["ContextLaw", "check_law", "draw_contexts", "inner_products", "unit"]

ContextLaw = Literal["gaussian", "sphere"]


def check_law(law: str, *, owner: str) -> ContextLaw:
    """The law, if it is known."""
    if law not in get_args(ContextLaw):
        raise InvalidParameter(f"{owner}(contexts={law!r}): expected 'gaussian' or 'sphere'")
    return cast(ContextLaw, law)


def draw_contexts(
    rng: np.random.Generator, law: ContextLaw, *, size: int, replications: int, dim: int
) -> Array:
    """Contexts (B, R, d): standard normal features, or uniform on the unit sphere."""
    contexts = rng.standard_normal((size, replications, dim))
    return unit(contexts) if law == "sphere" else contexts


def unit(vectors: Array) -> Array:
    """Vectors scaled to length 1."""
    return cast(Array, vectors / np.sqrt((vectors * vectors).sum(-1, keepdims=True)))


def inner_products(contexts: Array, weights: Array) -> Array:
    """x · θ of every arm, shape (..., K), feature by feature.

    A matrix product rounds differently for blocks of different size.
    """
    products = np.zeros((*contexts.shape[:-1], len(weights)))
    for feature, coefficients in enumerate(weights.T):
        products += contexts[..., feature, np.newaxis] * coefficients
    return products

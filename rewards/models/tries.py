"""Packs texts with a common prefix into one row, so that a causal model reads the prefix once.

A row is a trie of token sequences in depth-first order. Each token attends to its ancestors and itself and takes its
depth as position, so its hidden state is the one it would have in its text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class PackedRow:
    """One packed row: tokens, the parent of each (-1 for roots), and the path of each text through them."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    paths: list[tuple[int, list[int]]] = field(default_factory=list)  # (index of the text, its nodes)

    def __len__(self) -> int:
        """How many tokens the row holds."""
        return len(self.tokens)

    @property
    def branches(self) -> bool:
        """Whether the row is more than one chain, so that it needs more than a causal mask."""
        return any(parent != node - 1 for node, parent in enumerate(self.parents))

    def positions(self) -> list[int]:
        """The depth of each token."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(depths[parent] + 1 if parent >= 0 else 0)
        return depths

    def mask(self) -> NDArray[np.bool_]:
        """Which tokens (rows) attend to which (columns): (T, T)."""
        size = len(self.tokens)
        mask = np.zeros((size, size), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                mask[node] = mask[parent]
            mask[node, node] = True
        return mask

    def split(self) -> list[PackedRow]:
        """A row of its own for each text."""
        rows = []
        for index, path in self.paths:
            row = PackedRow()
            row.add(index, [self.tokens[node] for node in path], 0)
            rows.append(row)
        return rows

    def add(self, index: int, tokens: Sequence[int], shared: int) -> None:
        """Append a text whose first `shared` tokens are those of the text added last."""
        path = self.paths[-1][1][:shared] if shared else []
        for token in tokens[shared:]:
            self.parents.append(path[-1] if path else -1)
            path.append(len(self.tokens))
            self.tokens.append(token)
        self.paths.append((index, path))


def pack(sequences: Sequence[Sequence[int]], limit: int, worthwhile: int = 4) -> list[PackedRow]:
    """Rows of at most `limit` tokens with each sequence in exactly one; a common prefix is stored once per row.

    Only a sequence that is longer itself makes a longer row, which holds nothing else. A prefix of fewer than
    `worthwhile` tokens is not shared: it would not pay for the mask. Empty sequences get a path without nodes.
    """
    rows: list[PackedRow] = []
    previous: Sequence[int] = ()
    for index in sorted(range(len(sequences)), key=lambda i: tuple(sequences[i])):
        tokens = sequences[index]
        shared = _shared(previous, tokens)
        row = rows[-1] if rows and shared >= worthwhile else None
        if row is None or len(row) + len(tokens) - shared > limit:
            row, shared = PackedRow(), 0
            rows.append(row)
        row.add(index, tokens, shared)
        previous = tokens
    return rows


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count

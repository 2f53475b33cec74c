"""The self-contained report: one HTML file that opens from a folder, without a network, on texts of strangers."""

from rewards_eval.html.page import write

__all__ = ["write"]

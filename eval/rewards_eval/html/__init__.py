"""The self-contained report: one HTML file that opens without a network or a server, and is safe for untrusted texts."""

from rewards_eval.html.page import write

__all__ = ["write"]

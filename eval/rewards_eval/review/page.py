"""The documents of the review page, and their Content-Security-Policy, which allows only what this server serves."""

from __future__ import annotations

from functools import cache
from importlib import resources

from rewards_eval.html import page as html

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
SHARED = ("dom.js", "text.js", "keys.js", "select.js", "list.js", "edits.js", "detail.js")

_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Review</title>
<link rel="stylesheet" href="/app.css">
<script src="/app.js" defer></script>
</head>
<body>
<noscript>This page is drawn by its script; allow scripts to use it.</noscript>
</body>
</html>
"""
_ENTRANCE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0;url=/">
<title>Review</title>
<a href="/">Go on</a>
</html>
"""


def document() -> bytes:
    """The page, empty until its script has drawn it."""
    return _DOCUMENT.encode()


def entrance() -> bytes:
    """A page that forwards to `/`, so that the token disappears from the address."""
    return _ENTRANCE.encode()


@cache
def styles() -> bytes:
    """The style sheets of the report and of the review."""
    return "\n".join((html.style(("base.css", "reader.css")), _asset("review.css"))).encode()


@cache
def scripts(own: str) -> bytes:
    """The scripts shared with the report, then those of the review; `own` is the one that draws the page."""
    return html.wrap([*map(html.asset, SHARED), *map(_asset, ("saving.js", own))]).encode()


def _asset(name: str) -> str:
    return resources.files("rewards_eval.review").joinpath("assets", name).read_text(encoding="utf-8")

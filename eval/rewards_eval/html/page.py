"""Builds the report page: assets inlined and allowed by their digests, data embedded as JSON that nothing executes."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from rewards.errors import RewardsError
from rewards.files.replacing import replacing
from rewards_eval.html.compact import compact_argument, describe_rewards

STYLES = ("base.css", "overview.css", "reader.css")
SCRIPTS = ("dom.js", "text.js", "keys.js", "overview.js", "select.js", "list.js", "edits.js", "detail.js", "report.js")
# Characters that could end the element, start markup, break a line of a script, or reorder the source in a viewer.
_UNSAFE = re.compile("[<>&\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>Report</title>
<style>{style}</style>
</head>
<body>
<noscript>This report is drawn by a script inside this file; allow scripts to read it.</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def asset(name: str) -> str:
    """The text of one file in `assets/`."""
    return resources.files("rewards_eval.html").joinpath("assets", name).read_text(encoding="utf-8")


def style(names: Sequence[str]) -> str:
    """These style sheets as one."""
    return "\n".join(map(asset, names))


def wrap(scripts: Sequence[str]) -> str:
    """The scripts as one, in a scope of its own."""
    return '"use strict";\n(() => {\n' + "\n".join(scripts) + "\n})();\n"


def embed(data: Any) -> str:
    """JSON that can stand inside a script element: nothing in it ends the element or is markup."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def policy(styles: str, scripts: str) -> str:
    """The Content-Security-Policy that allows this style, this script, embedded pictures, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_digest(scripts)}'; style-src '{_digest(styles)}'; img-src data:;"
        " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def render(report: Mapping[str, Any], arguments: Sequence[Mapping[str, Any]]) -> str:
    """The page as text. Raises RewardsError where a record is not as `rewards score` writes it."""
    return "".join(_parts(report, arguments))


def _parts(report: Mapping[str, Any], arguments: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The page in parts, one for each argument, so that `write` never holds the whole text in memory."""
    styles, scripts = style(STYLES), wrap(list(map(asset, SCRIPTS)))
    head, tail = PAGE.split("{data}")
    about = _about(report, arguments)
    yield head.format(policy=policy(styles, scripts), style=styles)
    yield f'{embed(about)[:-1]},"arguments":['
    for place, argument in enumerate(arguments):
        yield ("," if place else "") + embed(compact_argument(argument, about["rewards"]))
    yield "]}" + tail.format(script=scripts)


def _about(report: Mapping[str, Any], arguments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The data that the scripts read besides the arguments: the report, and the rewards of each system."""
    names = [system["name"] for system in report["systems"]]
    stated = {name: report["suite"]["scored_with"].get(name, {}).get("rewards") for name in names}
    rewards = {
        name: describe_rewards((a["systems"][name] for a in arguments if name in a["systems"]), stated[name])
        for name in names
    }
    figures = [{**figure, "svg": _picture(figure["svg"])} for figure in report["figures"]]
    return {"report": _finite({**report, "figures": figures}), "rewards": rewards}


def write(path: Path, report: Mapping[str, Any], arguments: Sequence[Mapping[str, Any]]) -> None:
    """Write one self-contained page: summary, tables, plots, and a reader of every argument with its edits.

    `report` is what goes to report.json; each of `arguments` is `{id, issue, argument, reference, systems}` with the
    output record of every system (docs/data.md). Raises RewardsError for an invalid record or a failed write.
    """
    try:
        with replacing(path) as file, file.open("wb") as out:
            out.writelines(part.encode() for part in _parts(report, arguments))
    except OSError as error:
        raise RewardsError(f"{path} cannot be written: {error.strerror or error}") from error


def _finite(value: Any) -> Any:
    """The value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _picture(svg: str) -> str:
    # As a picture, not as part of the page: no script in it runs and it loads nothing.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8", "replace")).decode()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

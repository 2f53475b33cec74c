"""What tests of pages share: scored toy records, hostile texts, a headless Chromium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import rewards
from rewards.suite import Suite, load_suite
from tests.conftest import registry_of

MARKUP = (
    "</script><script>window.ran = 'markup'</script><img src=x onerror=\"window.ran='img'\"> <svg/onload=window.ran=1>"
)
HIDDEN = (
    "bell \x07 nul \x00 override \u202egnp\u202c zero\u200bwidth tag \U000e0041 line\u2028end"
    " emoji \U0001f469\u200d\U0001f680"
)
HOSTILE = [
    MARKUP,
    HIDDEN,
    "<!-- <script> --> ]]> &lt;b&gt; &amp; ${1+1} {{7*7}} javascript:alert(1) 'quoted' \"twice\" `tick` \\u003c",
]
NAMES = ("Inappropriateness", "Toxic Emotions", "Excessive Intensity")


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def shortness(edits: list[rewards.Edit]) -> list[float]:
    """1 where the edit makes its sentence no longer."""
    return [float(len(e.sentence_after) <= len(e.sentence_before)) for e in edits]


@rewards.reward(level="edit", range=(0, 1000), threshold=9.0, higher_is_better=False)
def reach(edits: list[rewards.Edit]) -> list[float]:
    """How many characters the edit replaces: more for several as one."""
    return [float(len(e.before)) for e in edits]


@rewards.reward(level="sentence", range=(0, 9), threshold=1.0, higher_is_better=False)
def busyness(sentences: list[rewards.Sentence]) -> list[float]:
    """How many edits a sentence has."""
    return [float(len(s.edits)) for s in sentences]


@rewards.reward(level="global", range=(0, 1))
def politeness(arguments: list[rewards.Argument]) -> list[rewards.Score]:
    """Falls with the length, with a profile before and after."""
    return [
        rewards.Score(
            1 / (1 + len(a.after) / 100),
            details={
                when: {name: round(min(1, (i + 1) * len(text) / 100 / 3), 3) for i, name in enumerate(NAMES)}
                for when, text in (("before", a.before), ("after", a.after))
            },
        )
        for a in arguments
    ]


def suite(folder: Path, joint: bool = False) -> Suite:
    """A suite of toy rewards: one is a gate, one is paid; with `joint` the gate also judges a sentence's edits as one."""
    path = folder / "toy.yaml"
    gate = "reach: {gate: true, together: true}" if joint else "shortness: {gate: true}"
    path.write_text(
        f"description: toys\nrewards:\n  {gate}\n  busyness:\n  politeness: {{weight: 1}}\n", encoding="utf-8"
    )
    return load_suite(path, plugins=registry_of(shortness, reach, busyness, politeness))


def score(folder: Path, *raw: Mapping[str, Any], joint: bool = False) -> list[dict[str, Any]]:
    """Output records of these input records."""
    results = suite(folder, joint).score([rewards.read_revision(one) for one in raw])
    return [json.loads(json.dumps(result.to_record())) for result in results]


def clashing(text: str) -> dict[str, Any]:
    """A record with two edits that `reach` accepts alone but not together, and one that it does not accept alone."""
    edits = [("is", "seems"), ("short", "brief"), ("Everybody knows", "I know")]
    return {
        "id": text,
        "issue": text,
        "sentences": [f"{text} is far short.", "Everybody knows it."],
        "edits": [
            {"sentence_id": number, "inappropriate_part": old, "rewritten_part": new, "reason": "Toxic Emotions"}
            for number, (old, new) in zip((1, 1, 2), edits, strict=True)
        ],
    }


def hostile(identifier: Any, text: str) -> dict[str, Any]:
    """A record with hostile text in every field that takes text."""
    return {
        "id": f"{identifier} {text}",
        "issue": text,
        "sentences": [f"First {text} it goes.", "Then it ends."],
        "edits": [
            {"sentence_id": 1, "inappropriate_part": text, "rewritten_part": f"x{text[:-9]}", "reason": text},
            {"sentence_id": 2, "inappropriate_part": "Then", "rewritten_part": f"But {text}", "reason": text},
            {"sentence_id": 7, "inappropriate_part": text, "rewritten_part": "nowhere", "reason": "Other Reasons"},
        ],
    }


def arguments(systems: Mapping[str, Sequence[Mapping[str, Any]]], **more: Any) -> list[dict[str, Any]]:
    """The arguments of a report on these systems' records."""
    found: dict[Any, dict[str, Any]] = {}
    for name, records in systems.items():
        for one in records:
            entry = found.setdefault(
                one["id"],
                {
                    "id": one["id"],
                    "issue": one["issue"],
                    "argument": one["argument"],
                    "reference": None,
                    **more,
                    "systems": {},
                },
            )
            entry["systems"][name] = one
    return list(found.values())


def stated_suite() -> dict[str, Any]:
    """A suite as the header of a scored file states it."""
    return {"suite": "toy", "rewards": {"shortness": {"gate": True, "threshold": 0.5, "higher_is_better": True}}}


def report(systems: Mapping[str, Sequence[Mapping[str, Any]]], title: str = "Toys") -> dict[str, Any]:
    """A report on these systems' records, with one table and one figure."""

    def cell(value: float | None, **more: Any) -> dict[str, Any]:
        return {"value": value, "n": 3, "low": None, "high": None, "note": None, **more}

    columns = [
        {"key": "app", "label": "App", "digits": 2, "better": "higher", "help": "Share of appropriate arguments."},
        {"key": "ppl", "label": "PPL", "digits": 1, "better": "lower", "help": ""},
    ]  # fmt: skip
    rows = [
        {"label": name, "group": None, "cells": {"app": cell(0.1 * (i + 1), low=0.05, high=0.9), "ppl": cell(90.0 - i)}}
        for i, name in enumerate(systems)
    ]
    rows.append({"label": "nobody", "group": None, "cells": {"app": cell(None, note="not scored"), "ppl": cell(1.0)}})
    return {
        "version": 1, "title": title, "created": "2026-01-01T00:00:00+00:00", "command": ["rewards", "eval", title],
        "suite": {"name": None, "scored_with": {name: stated_suite() for name in systems}},
        "versions": {"appropriateness-rewards": "0.1.0"},
        "systems": [
            {"name": name, "file": f"{name}.jsonl", "digest": "0" * 64, "dialect": "rewards", "records": len(records),
             "scored": len(records), "failed": 0, "missing": 0, "rejected": 0} for name, records in systems.items()
        ],
        "common": {"ids": 3, "arguments": 3, "left_out": dict.fromkeys(systems, 0)},
        "tables": [{"id": "one", "title": f"Table {title}", "caption": title, "columns": columns, "rows": rows}],
        "figures": [{"id": "f", "title": title, "caption": "", "svg": SVG}],
        "notes": [title],
    }  # fmt: skip


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="parent.ran=1"><script>parent.ran=2</script>'
    '<rect width="9" height="9" fill="teal"/></svg>'
)

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def start_browser(profile: Path) -> Any:
    """A headless Chromium with a profile of its own, which logs its requests."""
    if not CHROMIUM or not DRIVER:
        if os.environ.get("CI") and not os.environ.get("WITHOUT_BROWSER"):  # .ci/run sets it where there is none
            raise RuntimeError("CI must have chromium and chromedriver: skipped there, these tests would never run")
        pytest.skip("there is no chromium with its driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(60)
    driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    return driver


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium for the tests of a module."""
    driver = start_browser(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


def resize(browser: Any, width: int, dark: bool = False) -> None:
    """Set the width of the window, and light or dark mode."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def press(browser: Any, *keys: str) -> None:
    """Press these keys, one after the other, wherever the focus is."""
    from selenium.webdriver import ActionChains

    for key in keys:
        ActionChains(browser, duration=0).send_keys(key).perform()


def all_of(browser: Any, selector: str) -> list[Any]:
    """The elements that match."""
    return browser.find_elements("css selector", selector)


def one(browser: Any, selector: str) -> Any:
    """The first element that matches."""
    return browser.find_element("css selector", selector)


def texts(browser: Any, selector: str) -> list[str]:
    """The text contents of the elements that match, as they stand in the document."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
    )


def requested(browser: Any) -> list[str]:
    """The addresses that were requested over the network since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [address for address in addresses if not address.startswith(("data:", "about:", "chrome"))]

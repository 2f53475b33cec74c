"""Docs that are checked: the command line's page, the README's tree, links, and what no page may hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, tracked

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples" / "README.md",
]


def test_the_command_line_page_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_links_to_a_section_lead_to_one() -> None:
    for page in PAGES:
        for target, section in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                text = (page.parent / target if target else page).read_text(encoding="utf-8")
                titles = [title.lower() for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
                anchors = {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}
                assert section in anchors, f"{page}: {target}#{section}"


def test_the_tree_in_the_readme_is_the_tree() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for entry in re.findall(r"^(?:  )*([\w./]+/?) {2,}\S", readme.split("```text")[-1].split("```")[0], re.MULTILINE):
        found = [
            p
            for p in (ROOT, *(ROOT / room for room in ("rewards", "plugins", "eval", "train")))
            if (p / entry.rstrip("/")).exists()
        ]
        assert found, f"README.md names {entry}, which does not exist"


def test_every_suite_opens_with_its_launch_command() -> None:
    for suite in (ROOT / "plugins" / "rewards_suites").glob("*.yaml"):
        first = suite.read_text(encoding="utf-8").splitlines()[0]
        assert first == f"# rewards score FILE -o OUT.jsonl --suite {suite.stem}"


def test_no_absolute_path_of_a_machine() -> None:
    for name in tracked():
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".toml", ".yaml", ".json", ".txt", ""}
            and path.is_file()
            and name != "tests/test_docs.py"
        ):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.])/(work|root|home|tmp)/\w", text), name


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(Path(p).name[:3]) for p in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))

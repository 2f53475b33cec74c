"""A person at the page, end to end: decisions, texts that come out, deaths of server and browser, blind comparison."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import pages
from tests.conftest import command, read_lines, record, write_lines
from tests.pages import all_of, one, press, requested, resize, texts
from tests.reviewing import Serving, serving
from tests.test_report_browser import WATCH

pytestmark = pytest.mark.browser
browser = pages.browser
SAID = "header .hidden[role=status]"


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A scored file: an ordinary argument, then hostile ones."""
    raw = [record("plain"), *(pages.hostile(i, text) for i, text in enumerate(pages.HOSTILE))]
    return write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, *raw))


def until(browser: Any, holds: Callable[[], Any]) -> Any:
    """What `holds` gives once it is true; the page saves and loads at its own pace."""
    deadline = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < deadline, texts(browser, "body")
        time.sleep(0.05)
    return found


def enter(browser: Any, server: Serving) -> None:
    """Open the address as printed, and wait for the page."""
    resize(browser, 1280)
    browser.get("about:blank")
    browser.get(server.url)
    until(browser, lambda: all_of(browser, "main"))


def saved(browser: Any, path: Path, number: int) -> list[dict[str, Any]]:
    """The lines of the file of decisions, once there are this many and the page knows."""
    until(browser, lambda: path.exists() and len(read_lines(path)) == number)
    until(browser, lambda: texts(browser, ".saving")[0].startswith("Saved at"))
    return read_lines(path)


def result(browser: Any) -> str:
    return texts(browser, ".result .text")[0]


def test_edits_are_accepted_rejected_amended_and_taken_back(browser: Any, scored: Path, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "me") as server:
        enter(browser, server)
        assert browser.current_url == f"http://127.0.0.1:{server.port}/"
        assert result(browser) == "Lunch is way too short, duh. Everybody knows it."
        assert [text.strip() for text in texts(browser, ".cards .badge")] == ["? undecided", "? undecided", "! invalid"]
        assert not all_of(browser, ".chips")  # what the rewards think is not shown to whom is asked
        press(browser, "a")
        assert result(browser) == "Lunch is too short, duh. Everybody knows it."
        assert texts(browser, SAID) == ["Edit 1 accepted, 1 of 8 decided"]
        press(browser, "r")
        assert result(browser) == "Lunch is too short, duh. Everybody knows it."
        press(browser, "p", "e")
        area = one(browser, ".amending textarea")
        assert area.get_property("dir") == "auto"
        area.clear()
        area.send_keys("rather <b>")
        ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
        assert result(browser) == "Lunch is rather <b> short, duh. Everybody knows it."
        one(browser, '.card[data-edit="1"] .actions .quiet').click()  # undo
        assert [text.strip() for text in texts(browser, ".cards .badge")] == ["✎ amended", "? undecided", "! invalid"]
        lines = saved(browser, out, 4)
        assert [(line["edit"], line["decision"], line["amended"]) for line in lines] == [
            (0, "accept", None), (1, "reject", None), (0, "amend", "rather <b>"), (1, "clear", None),
        ]  # fmt: skip
        assert {line["scores_shown"] for line in lines} == {False}
        press(browser, "s", "a")
        assert len(all_of(browser, ".chips")) == 2
        assert saved(browser, out, 5)[-1]["scores_shown"] is True
        press(browser, "s")
        assert texts(browser, ".done") == ["2 of 8"]
        one(browser, "select[name=condition] option[value=done]").click()
        assert texts(browser, ".arguments .issue") == ["Should lunch be longer?"]


def test_what_gates_say_is_hidden_as_scores_are(browser: Any, tmp_path: Path) -> None:
    longer = record("longer")
    longer["edits"][0]["rewritten_part"] = "very much too"
    path = write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, longer))
    with serving(path, "-o", tmp_path / "d.jsonl", "--reviewer", "me") as server:
        enter(browser, server)
        if all_of(browser, ".chips"):
            press(browser, "s")
        assert not [text for text in texts(browser, ".why") if "Not passed" in text]
        press(browser, "s")
        assert [text for text in texts(browser, ".why") if "Not passed" in text] == ["Not passed: shortness."]
        press(browser, "s")
    path = write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, pages.clashing("Lunch"), joint=True))
    with serving(path, "-o", tmp_path / "together.jsonl", "--reviewer", "me") as server:
        enter(browser, server)
        assert not texts(browser, ".why")
        press(browser, "s")
        assert [text.endswith("reach 12.000, not ≤ 9.") for text in texts(browser, ".why")] == [True, True, False]
        press(browser, "s")


def test_nothing_is_lost_when_server_and_browser_die(browser: Any, scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "me") as first:
        enter(browser, first)
        press(browser, "a")
        saved(browser, out, 1)
        first.kill()
        press(browser, "r")
        until(browser, lambda: "1 decision not saved. The server does not answer." in texts(browser, ".banner")[0])
        assert [text.strip() for text in texts(browser, ".cards .badge")][:2] == ["✓ accepted", "✕ rejected"]
    with out.open("ab") as file:
        file.write(b'{"version":1,"kind":"edit","rev')  # as a crash in the middle of a line leaves it
    with serving(scored, "-o", out, "--reviewer", "me") as second:
        assert second.port == first.port
        until(browser, lambda: "belongs to a server that has ended" in texts(browser, ".banner")[0])
        browser.get("about:blank")  # the page is gone, with a decision that no server has seen
        assert len(read_lines(out)) == 1
        browser.get(second.url)
        lines = saved(browser, out, 2)
        assert [(line["edit"], line["decision"]) for line in lines] == [(0, "accept"), (1, "reject")]
        assert texts(browser, ".done") == ["2 of 8"]
        browser.refresh()
        until(browser, lambda: texts(browser, ".done") == ["2 of 8"])
        assert "? undecided" in [
            text.strip() for text in texts(browser, ".cards .badge")
        ]  # it goes on where it stopped
        press(browser, "k")
        assert [text.strip() for text in texts(browser, ".cards .badge")][:2] == ["✓ accepted", "✕ rejected"]
        assert result(browser) == "Lunch is too short, duh. Everybody knows it."
        code, said = second.interrupt()
    assert code == 0
    assert said.splitlines()[0].endswith(f"its 31 bytes are in {out}.torn")
    assert said.splitlines()[-1] == f"2 of 8 decided by me; decisions in {out}"
    assert not one(browser, ".banner").is_displayed()


def test_an_amendment_being_typed_is_kept_until_it_is_saved_or_cancelled(
    browser: Any, scored: Path, tmp_path: Path
) -> None:
    from selenium.webdriver import Keys

    def drafts() -> list[str]:
        return [area.get_property("value") for area in all_of(browser, ".amending textarea")]

    def amend(edit: int, more: str) -> None:
        one(browser, f'.card[data-edit="{edit}"] [data-decision=amend]').click()
        browser.switch_to.active_element.send_keys(more)

    out = tmp_path / "d.jsonl"
    other = write_lines(tmp_path / "other.jsonl", *pages.score(tmp_path, record("plain")))
    with serving(scored, other, "-o", out, "--reviewer", "me") as server:
        enter(browser, server)
        amend(0, " very")
        amend(1, ", I think")
        assert drafts() == ["too very", ", I think"]
        one(browser, "[aria-label='Next argument']").click()
        assert drafts() == []
        one(browser, "[aria-label='Previous argument']").click()
        assert drafts() == ["too very", ", I think"]
        one(browser, "select[name=system] option[value=other]").click()
        assert drafts() == []
        browser.refresh()
        until(browser, lambda: drafts() == ["too very", ", I think"])
        one(browser, '.card[data-edit="0"] textarea').send_keys(Keys.ESCAPE)
        one(browser, '.card[data-edit="1"] .primary').click()
        assert drafts() == []
        assert [(line["edit"], line["amended"]) for line in saved(browser, out, 1)] == [(1, ", I think")]
        browser.refresh()
        until(browser, lambda: texts(browser, ".done") == ["1 of 10"])
        assert drafts() == []


def test_the_edit_that_has_the_focus_is_decided_on_and_once(browser: Any, scored: Path, tmp_path: Path) -> None:
    def current() -> list[str]:
        return [card.get_attribute("data-edit") for card in all_of(browser, '.card[aria-current="true"]')]

    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "me") as server:
        enter(browser, server)
        assert current() == ["0"]
        press(browser, "n")
        assert current() == ["1"]
        press(browser, "p")
        browser.execute_script("document.querySelector('.text .edit[data-edit=\"1\"]').focus()")
        assert current() == ["1"]
        for repeated in (False, True, True):  # a key that is held
            stroke = {"type": "keyDown", "key": "r", "text": "r", "autoRepeat": repeated}
            browser.execute_cdp_cmd("Input.dispatchKeyEvent", stroke)
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", "key": "r"})
        assert current() == ["0"]
        assert [(line["edit"], line["decision"]) for line in saved(browser, out, 1)] == [(1, "reject")]
        assert texts(browser, ".done") == ["1 of 8"]


def test_what_was_decided_last_is_taken_back_though_the_page_has_gone_on(
    browser: Any, scored: Path, tmp_path: Path
) -> None:
    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "me") as server:
        enter(browser, server)
        press(browser, "a", "r", "j", "a", "u")
        assert texts(browser, ".done") == ["2 of 8"]
        press(browser, "u")
        assert texts(browser, ".position") == ["1 / 4"]
        assert [text.strip() for text in texts(browser, ".cards .badge")][:2] == ["✓ accepted", "? undecided"]
        press(browser, "u", "u")
        lines = saved(browser, out, 6)
        assert [(line["id"], line["edit"]) for line in lines[3:]] == [(lines[2]["id"], 0), ("plain", 1), ("plain", 0)]
        assert {line["decision"] for line in lines[3:]} == {"clear"}


def test_two_tabs_lose_nothing_of_each_other(browser: Any, scored: Path, tmp_path: Path) -> None:
    def type_over(edit: int) -> None:
        one(browser, f'.card[data-edit="{edit}"] [data-decision=amend]').click()
        browser.switch_to.active_element.send_keys(" typed")

    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "me") as first:
        enter(browser, first)
        browser.switch_to.new_window("tab")
        enter(browser, first)
        type_over(0)
        one(browser, "[aria-label='Next argument']").click()
        first.kill()
        press(browser, "a")
        until(browser, lambda: "1 decision not saved" in texts(browser, ".banner")[0])
        browser.switch_to.window(browser.window_handles[0])
        type_over(1)
        one(browser, "[aria-label='Next argument']").click()
        press(browser, "n", "r")
        until(browser, lambda: "1 decision not saved" in texts(browser, ".banner")[0])
        browser.close()
        browser.switch_to.window(browser.window_handles[0])
        browser.get("about:blank")
    with serving(scored, "-o", out, "--reviewer", "me") as second:
        enter(browser, second)
        lines = saved(browser, out, 2)
        assert {(line["edit"], line["decision"]) for line in lines} == {(0, "accept"), (1, "reject")}
        press(browser, "k")
        assert len(all_of(browser, ".amending textarea")) == 2
        left = browser.execute_script("return Object.keys(localStorage).filter(key => key.includes('waiting'))")
        assert left == []


def test_the_focus_stays_where_somebody_works(browser: Any, scored: Path, tmp_path: Path) -> None:
    from selenium.webdriver import Keys

    with serving(scored, "-o", tmp_path / "d.jsonl", "--reviewer", "me") as server:
        enter(browser, server)
        for pressed in ("true", "false"):
            one(browser, "[data-key=scores]").send_keys(" ")
            assert browser.switch_to.active_element.get_attribute("aria-pressed") == pressed
        press(browser, "n", "s", "s")
        assert browser.switch_to.active_element.get_attribute("data-edit") == "1"
        resize(browser, 400)
        one(browser, ".back").send_keys(Keys.ENTER)
        assert browser.switch_to.active_element.get_attribute("data-index") == "0"
        one(browser, '.arguments [data-index="2"]').send_keys(Keys.ENTER)
        assert browser.switch_to.active_element.get_attribute("id") == "detail"
        assert texts(browser, ".position") == ["3 / 4"]
        resize(browser, 1280)


def test_a_long_argument_is_shown_from_its_beginning_and_a_long_list_scrolls_by_itself(
    browser: Any, tmp_path: Path
) -> None:
    long = [f"Lunch {i} is way too short, duh." for i in range(200)]
    edits = [{"sentence_id": 150, "inappropriate_part": ", duh", "rewritten_part": "", "reason": "Toxic Emotions"}]
    raw = [*(record(i) for i in range(40)), record("long", sentences=long, edits=edits)]
    path = write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, *raw))
    with serving(path, "-o", tmp_path / "d.jsonl", "--reviewer", "me") as server:
        enter(browser, server)
        assert browser.execute_script("return document.documentElement.scrollHeight - innerHeight") <= 0
        one(browser, '.arguments [data-index="39"]').click()
        press(browser, "j")
        assert texts(browser, ".position") == ["41 / 41"]
        assert browser.execute_script("return document.querySelector('.detail').scrollTop") == 0
        press(browser, "a")
        assert browser.execute_script("return document.querySelector('.detail').scrollTop") > 0


def test_a_list_has_no_more_entries_far_down_than_at_its_beginning(browser: Any, tmp_path: Path) -> None:
    """Each decision lays out all entries that there are."""
    path = write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, *(record(i) for i in range(500))))

    def entries() -> list[int]:
        script = "return [...document.querySelectorAll('.arguments button')].map((one) => Number(one.dataset.index))"
        return list(browser.execute_script(script))

    def scrolled() -> bool:
        browser.execute_script("document.querySelector('.more').scrollIntoView()")
        return len(entries()) > 300

    def earlier() -> bool:
        return one(browser, ".list-scroll > button").is_displayed()

    with serving(path, "-o", tmp_path / "d.jsonl", "--reviewer", "me") as server:
        enter(browser, server)
        until(browser, scrolled)
        press(browser, "j")
        assert len(entries()) <= 120
        browser.execute_script(
            "for (let i = 0; i < 450; i++) document.dispatchEvent(new KeyboardEvent('keydown', { key: 'j' }))"
        )
        assert texts(browser, ".position") == ["452 / 500"]
        assert one(browser, ".arguments [aria-current]").get_attribute("data-index") == "451"
        assert len(entries()) <= 120
        assert earlier()
        first, last = entries()[0], entries()[-1]
        one(browser, ".list-scroll > button").click()
        assert entries() == list(range(first - 60, last + 1))
        assert browser.switch_to.active_element.get_attribute("data-index") == str(first - 1)
        one(browser, ".filters input").send_keys("500")  # none has it
        one(browser, ".reset").click()
        assert entries()[0] == 0
        assert not earlier()


def test_a_page_of_other_files_is_told_to_reload(browser: Any, scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "me") as first:
        enter(browser, first)
        first.kill()
    write_lines(scored, *pages.score(tmp_path, record("plain", edits=[])))
    with serving(scored, "-o", out, "--reviewer", "me") as second:
        browser.switch_to.new_window("tab")
        browser.get(second.url)
        until(browser, lambda: all_of(browser, "main"))
        browser.close()
        browser.switch_to.window(browser.window_handles[0])
        press(browser, "a")
        until(browser, lambda: "this page is of other files or of another reviewer" in texts(browser, ".banner")[0])
        assert read_lines(out) == []


def test_a_decision_that_waits_is_not_written_under_another_name(browser: Any, scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", "ann") as server:
        enter(browser, server)
        server.kill()
        press(browser, "r")
        until(browser, lambda: "1 decision not saved" in texts(browser, ".banner")[0])
    with serving(scored, "-o", out, "--reviewer", "ben") as server:
        enter(browser, server)
        assert texts(browser, ".done") == ["0 of 8"]
        press(browser, "n", "a")
        assert [(line["reviewer"], line["edit"]) for line in saved(browser, out, 1)] == [("ben", 1)]
    with serving(scored, "-o", out, "--reviewer", "ann") as server:
        enter(browser, server)
        lines = saved(browser, out, 2)
    assert [(line["reviewer"], line["edit"], line["decision"]) for line in lines] == [
        ("ben", 1, "accept"), ("ann", 0, "reject"),
    ]  # fmt: skip


def test_hostile_texts_do_nothing_and_nobody_else_is_asked(browser: Any, scored: Path, tmp_path: Path) -> None:
    watching = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    out = tmp_path / "d.jsonl"
    with serving(scored, "-o", out, "--reviewer", pages.MARKUP) as server:
        requested(browser)
        browser.get_log("browser")
        enter(browser, server)
        for number in range(3):
            press(browser, "j", "a", "e")
            area = one(browser, ".amending textarea")
            area.clear()
            area.send_keys(pages.MARKUP)
            one(browser, ".amending .primary").click()
            assert pages.MARKUP in result(browser)
            press(browser, "s")
            saved(browser, out, 2 * number + 2)
        assert browser.execute_script("return [window.ran ?? null, window.violations]") == [None, []]
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        assert all(address.startswith(f"http://127.0.0.1:{server.port}/") for address in requested(browser))
        assert browser.execute_script("return document.cookie") == ""
        resize(browser, 390)
        assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watching)
    assert {line["amended"] for line in read_lines(out)} == {None, pages.MARKUP}


def test_two_systems_are_compared_blind_and_reviewers_agree(browser: Any, tmp_path: Path) -> None:
    raw = [record(i, sentences=[f"Lunch {i} is way too short, duh.", "Everybody knows it."]) for i in range(4)]
    less = [{**item, "edits": item["edits"][:1]} for item in raw]
    files = [
        write_lines(tmp_path / f"{name}.jsonl", *pages.score(tmp_path, *some))
        for name, some in (("more", raw), ("less", less))
    ]
    chosen = {}
    for reviewer, seed in (("ann", 1), ("ben", 2)):
        out = tmp_path / f"{reviewer}.jsonl"
        with serving(*files, "--compare", "-o", out, "--reviewer", reviewer, "--seed", seed) as server:
            enter(browser, server)
            source = json.dumps(
                browser.execute_async_script("fetch('/data.json').then(r => r.text()).then(arguments[0])")
            )
            assert "more" not in source
            assert "less" not in source
            press(browser, "1", "u")  # taken back, though the page shows the next one
            assert texts(browser, ".done") == ["0 of 4"]
            assert texts(browser, ".position") == ["1 / 4"]
            assert texts(browser, SAID) == ["Taken back. Shown: 1 of 4"]
            for _ in range(4):  # whoever cut ", duh" wins, wherever it stands
                left, _ = texts(browser, ".pair .text")
                press(browser, "2" if "duh" in left else "1")
            lines = saved(browser, out, 6)[2:]
            assert texts(browser, ".done") == ["4 of 4"]
            assert texts(browser, ".choices kbd") == ["1", "0", "2"]
            assert [head.text for head in all_of(browser, ".candidate h3")] == ["Left", "Right"]
            resize(browser, 400)  # one text stands above the other
            assert [head.text for head in all_of(browser, ".candidate h3")] == ["Above", "Below"]
            assert [text.accessible_name for text in all_of(browser, ".candidate")] == ["Above", "Below"]
            resize(browser, 320)
            assert {button.size["height"] < 45 for button in all_of(browser, ".choices button")} == {True}  # one line
            resize(browser, 1280)
            press(browser, "c")
            assert len(all_of(browser, ".pair del")) in (2, 3)
            for hidden in ("true", "false"):  # a button that is pressed keeps the focus
                one(browser, "[data-key=changes]").send_keys(" ")
                focused = browser.switch_to.active_element
                assert focused.get_attribute("data-key") == "changes"
                assert focused.get_attribute("aria-pressed") != hidden
            browser.refresh()
            until(browser, lambda: texts(browser, ".done") == ["4 of 4"])
            assert len(all_of(browser, ".candidate.chosen")) == 1
        assert {line["preferred"] for line in lines} == {"more"}
        chosen[reviewer] = [line["decision"] for line in lines]
    assert {decision for decisions in chosen.values() for decision in decisions} == {"left", "right"}
    done = command("review", "--agreement", tmp_path / "ann.jsonl", tmp_path / "ben.jsonl")
    assert b"comparison: which system, or none" in done.stdout
    assert b"100.0%" in done.stdout

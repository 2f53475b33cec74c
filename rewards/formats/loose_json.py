"""A tolerant scanner for JSON as language models write it; it works in one pass and without recursion."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from rewards.text.surrogates import without_surrogates

_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d"}
_CHUNKS = {close: re.compile(rf"[^\\{close}]*(?:\\.[^\\{close}]*)*", re.DOTALL) for close in _QUOTES.values()}
# Every lookahead is bounded, so that no input makes the scan quadratic.
_SPACE = re.compile(r"(?:\s{1,300}|//[^\n]{0,300}|\#[^\n]{0,300}|/\*.{0,300}?\*/){0,5}", re.DOTALL)
_NAME = r"(?:[A-Za-z]\w{0,30}_\w{1,30}|edits|reason)"  # recognised as a key even without quotes or colon
_KEY = re.compile(
    rf"""(["'`])[A-Za-z_][\w ]{{0,40}}(?:\1\s{{0,9}}:|\1?\Z)|["'`]{_NAME}["'`]\s{{0,9}}[\[{{"]|{_NAME}\s{{0,9}}:"""
    r"|\u201c[A-Za-z_]\w{0,40}\u201d\s{0,9}:"
)
_UNCLOSED = re.compile(r"""[ ,]{0,9}\r?\n\s{0,99}(?:[}\]]|["'`]\w{1,40}["'`]\s{0,9}:)""")
_BARE = re.compile(r"""[^\s:,{}\[\]"](?:[^,:{}\[\]\n"]*[^\s,:{}\[\]"])?""")
_INTEGER = re.compile(r"-?\d{1,9}")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"null": None, "none": None, "true": True, "false": False}


class CutOff(str):
    """A string that the end of the text cut off."""

    __slots__ = ()


class Scan(NamedTuple):
    """The outermost values of a text, and those that its end left open (outermost first)."""

    values: list[Any]
    unfinished: list[Any]


def scan(text: str) -> Scan:
    """The JSON objects in `text`; the text around them is ignored, and no input raises."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        return Scan([], [])
    try:
        return Scan([orjson.loads(text[start : end + 1])], [])
    except orjson.JSONDecodeError:
        return _Scanner(text, start).run()


class _Scanner:
    """The state of a scan: the position, the containers that are open there, and the values found so far."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position
        self.values: list[Any] = []
        self.open: list[Any] = []
        self.keys: list[str | None] = []  # for every open object the key that waits for its value
        self.passed_over = 0  # opening braces where a key belongs, such as the second in `{{ … }}`
        self.depth: dict[type, int] = {dict: 0, list: 0}

    def run(self) -> Scan:
        """Scan up to the end of the text."""
        text = self.text
        while self.position < len(text):
            if not self.open:
                self.position = text.find("{", self.position)
                if self.position < 0:
                    break
            self.position = _SPACE.match(text, self.position).end()  # type: ignore[union-attr]  # the pattern matches everywhere
            if self.position < len(text):
                self._step(text[self.position])
        return Scan(self.values, self.open)

    def _step(self, character: str) -> None:
        if character in "{[":
            self._begin({} if character == "{" else [])
        elif character == "}" and self.passed_over:
            self.passed_over -= 1
        elif character in "}]":
            self._end(dict if character == "}" else list)
        elif character == ",":
            self.keys[-1] = None
        elif character in _QUOTES:
            self._string(_QUOTES[character])
            return
        elif character != ":" and (bare := _BARE.match(self.text, self.position)):
            self._bare(bare)
            return
        self.position += 1

    def _begin(self, container: Any) -> None:
        if self._wants_key():
            if isinstance(container, list) or not self.open[-1] or len(self.open) < 2:
                self.passed_over += isinstance(container, dict)
                return
            self._end(dict)  # the object before was not closed
        self._add(container)
        self.open.append(container)
        self.keys.append(None)
        self.depth[type(container)] += 1

    def _end(self, kind: type) -> None:
        if not self.depth[kind]:
            return
        while True:  # containers inside it that were not closed end too
            container = self.open.pop()
            self.keys.pop()
            self.depth[type(container)] -= 1
            if type(container) is kind:
                return

    def _wants_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1], dict) and self.keys[-1] is None

    def _add(self, value: Any) -> None:
        if not self.open:
            self.values.append(value)
        elif isinstance(self.open[-1], list):
            self.open[-1].append(value)
        elif (key := self.keys[-1]) is not None:
            self.open[-1][key] = value
            self.keys[-1] = None
        elif isinstance(value, str) and not isinstance(value, CutOff):
            self.keys[-1] = value

    def _bare(self, bare: re.Match[str]) -> None:
        self.position = bare.end()
        if self.position == len(self.text):
            return  # `1` may have been the start of `12`
        word = bare.group().strip()
        if self._wants_key():
            self._add(word)
        else:
            self._add(int(word) if _INTEGER.fullmatch(word) else _WORDS.get(word.lower(), word))
        self.position += self.text[self.position] == '"'  # closes a string whose opening quote is missing

    def _string(self, quote: str) -> None:
        start = self.position + 1
        if self._wants_key():
            end = _CHUNKS[quote].match(self.text, start).end()  # type: ignore[union-attr]  # the pattern matches everywhere
        else:
            end, cut = self._string_end(start, quote)
            if cut:
                self._add(CutOff(_unescaped(self.text[start:])))
                self.position = len(self.text)
                return
        self.position = end + (self.text.startswith(quote, end))
        if end < len(self.text) or not self._wants_key():
            content = _single(self.text[start:end], quote)
            self._add(content if content is None else _unescaped(content))

    def _string_end(self, start: int, quote: str) -> tuple[int, bool]:
        """Where the string ends, and whether the text ended first. Quotes inside a string are often not escaped."""
        text, chunk, position = self.text, _CHUNKS[quote], start
        while True:
            end = chunk.match(text, position).end()  # type: ignore[union-attr]  # the pattern matches everywhere
            unclosed = text.find("\n", position, end) >= 0 and _UNCLOSED.search(text, position, end + 60)
            if unclosed and unclosed.start() < end:
                return unclosed.start(), False
            if end >= len(text) or text[end] != quote:
                return len(text), True
            if self._closes(end + 1):
                return end, False
            position = end + 1

    def _closes(self, position: int) -> bool:
        """Whether a quote before `position` ends its string, by what comes behind it."""
        text = self.text
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # the pattern matches everywhere
        if position >= len(text) or text[position] in "}]":
            return True
        in_object = isinstance(self.open[-1], dict)
        if text[position] != ",":  # the comma may be missing
            return in_object and text[position] not in ":{[" and bool(_KEY.match(text, position))
        position = _SPACE.match(text, position + 1).end()  # type: ignore[union-attr]  # the pattern matches everywhere
        if position >= len(text) or text[position] in "}]{,":
            return True
        return bool(_KEY.match(text, position)) if in_object else text[position] in "\"'`[\u201c"


def _single(content: str, quote: str) -> str | None:
    """The content of a string without doubled delimiters; None for three quotes in a row, which are ambiguous."""
    if content[:1] == quote:
        others = content.count(quote) - 1
        if others == 0:
            return content[1:] or None
        if others == 1 and content[-1] == quote:
            return content[1:-1]
    return content


def _unescaped(content: str) -> str:
    if "\\" not in content:
        return content
    plain = _ESCAPE.sub(_character, content)
    # Two escapes may form a surrogate pair, which is one character; a lone surrogate is none.
    return without_surrogates(plain)


def _character(escape: re.Match[str]) -> str:
    code = escape.group(1)
    return chr(int(code[1:], 16)) if len(code) > 1 else _LETTERS.get(code, code)

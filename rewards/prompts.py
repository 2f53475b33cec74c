"""The prompts that ask a model for edits in a format; the same for `rewards edit`, training and evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.errors import ConfigError, ModelError
from rewards.formats import Format
from rewards.plugins import registry

Messages = list[dict[str, str]]
NO_ISSUE = "not stated"
_PLACE = re.compile(r"\{(issue|sentences|argument)\}")
# Everything that may be read as a line break: inside of a sentence it would look like the sentence's end.
# The lookbehind lets a match start only at the start of a run of spaces, so that a long run is scanned once.
_BREAK = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_BREAKS = re.compile(rf"(?<![^\S{_BREAK}])[^\S{_BREAK}]*[{_BREAK}]\s*")
# A fixed date (the default of Llama 3.1): templates that state the current date would change the prompt every day.
TEMPLATE_SETTINGS: dict[str, Any] = {"date_string": "26 Jul 2024", "enable_thinking": False}


def messages(format: str | Format, issue: str, sentences: Sequence[str]) -> Messages:
    """The chat messages that ask for edits of these sentences in this format: a single user message.

    Sentences are numbered from 1; line breaks inside of them become a space, in the prompt only. Braces in the texts are
    not interpreted. Raises PluginError for a format that does not exist, ConfigError for one that has no prompt.
    """
    chosen = format if isinstance(format, Format) else registry().format(format)
    check(chosen)
    folded = [_fold(sentence) for sentence in sentences]
    texts = {
        "issue": _fold(issue) or NO_ISSUE,
        "sentences": "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(folded, 1)),
        "argument": " ".join(sentence for sentence in folded if sentence),
    }
    # In one pass, so that a placeholder inside of an inserted text is not filled.
    return [{"role": "user", "content": _PLACE.sub(lambda match: texts[match[1]], chosen.prompt)}]


def check(format: Format) -> None:
    """Raise ConfigError where a model cannot be asked for this format, because its prompt is missing or shows no text."""
    if not format.prompt:
        raise ConfigError(
            f"format {format.name!r} can be read but not asked for: it has no prompt. Choose another format, or give it one:"
            " Format(…, prompt='… {issue} … {sentences} …')"
        )
    if not {"sentences", "argument"} & set(_PLACE.findall(format.prompt)):
        raise ConfigError(f"the prompt of format {format.name!r} has neither {{sentences}} nor {{argument}} in it")


def render(tokenizer: Any, chat: Sequence[dict[str, str]], settings: Mapping[str, Any] = TEMPLATE_SETTINGS) -> str:
    """The text that the model continues: the messages in the tokenizer's chat template, or as plain text without one.

    `settings` are variables of the template. Special tokens in the messages are `defused`. Raises ModelError where the
    template raises. See `encode` for the tokens.
    """
    safe = defused(tokenizer, chat)
    if not getattr(tokenizer, "chat_template", None):
        return "\n\n".join([*(message["content"] for message in safe), ""])
    try:
        text: str = tokenizer.apply_chat_template(safe, tokenize=False, add_generation_prompt=True, **settings)
    except Exception as error:  # a template is code of the model's author: it may raise anything
        raise ModelError(f"the model's chat template refuses the prompt: {type(error).__name__}: {error}") from error
    return text


def encode(
    tokenizer: Any, chat: Sequence[dict[str, str]], settings: Mapping[str, Any] = TEMPLATE_SETTINGS
) -> list[int]:
    """The token ids of `render`. A chat template contains its special tokens; to plain text the tokenizer adds its own."""
    templated = bool(getattr(tokenizer, "chat_template", None))
    text = render(tokenizer, chat, settings)
    tokens: list[int] = tokenizer(text, add_special_tokens=not templated, verbose=False)["input_ids"]
    return tokens


def defused(tokenizer: Any, chat: Sequence[dict[str, str]]) -> Messages:
    """The messages with each special token of the tokenizer split by a space, so that no text can end its own message."""
    known = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special = {str(token.content) for token in known if token.special}
    return [{**message, "content": _defused(message["content"], special)} for message in chat]


def _fold(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()  # tokenizers reject lone surrogates
    return _BREAKS.sub(" ", whole).strip()


def _defused(text: str, special: set[str]) -> str:
    found = [token for token in special if len(token) > 1 and token in text]
    if not found:
        return text
    pattern = "|".join(re.escape(token) for token in sorted(found, key=len, reverse=True))
    return re.sub(pattern, lambda match: f"{match[0][0]} {match[0][1:]}", text)

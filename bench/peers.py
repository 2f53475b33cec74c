"""What people run today, on the models of the suite `default`: same weights, same thresholds, same scores.

`Loop` is the reference's way: one call per edit and model, batch size 1. `Trl` is the way of TRL's reward functions: each
is called with all completions and runs its own texts through its model, padded, in the given order. `Careful` is a careful
user: distinct texts only, `SentenceTransformer.encode(batch_size=32)`, which sorts by length, and a
`transformers.Pipeline` with `batch_size=32` on texts sorted by length. All in float32, without a cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from transformers import Pipeline

from bench.models import Classifier, Models, Pair, f1, lost
from rewards.drafts import joint
from rewards.types import Argument, Edit, Revision
from rewards_format import no_bare_negation, no_new_numbers, no_repetition, plain_text
from rewards_pattern_conformity.operations import operations
from rewards_valence.wording import exchanged

FORWARD = 64  # texts of one padded forward of `Trl`
BATCH = 32


class Peer(Protocol):
    """A way to run the models on pairs of texts."""

    models: Models

    def tokens(self, pairs: Sequence[Pair]) -> list[tuple[Any, Any]]:
        """Token vectors of both texts, (T, D) of unit length; nothing is cached between calls."""

    def vectors(self, groups: Sequence[Sequence[str]]) -> list[Any]:
        """(N, D) of unit length for each group, which holds the N texts of one edit."""

    def fluent(self, pairs: Sequence[Pair]) -> list[float]:
        """P(fluent) of sentences (before, after)."""

    def appropriate(self, pairs: Sequence[Pair]) -> list[float]:
        """P(appropriate) of arguments (issue, text)."""


def score(revisions: Sequence[Revision], peer: Peer, thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Scores of every valid edit, the accepted ones, and the argument before and after them."""
    valid = [(n, i, edit) for n, one in enumerate(revisions) for i, edit in enumerate(one.edits) if edit.valid]
    found: list[dict[str, Any]] = [{"edits": {}} for _ in revisions]
    for (n, i, _), scores in zip(valid, judged(peer, [edit for _, _, edit in valid]), strict=True):
        found[n]["edits"][i] = scores
    changed = [(n, i, edit) for n, i, edit in valid if edit.changes]
    patterns = perplexities(peer.models, [(edit.sentence_before, edit.sentence_after) for _, _, edit in changed])
    for (n, i, _), pattern in zip(changed, patterns, strict=True):
        found[n]["edits"][i]["pattern_conformity"] = pattern
    texts = []
    for one, row, accepted in zip(revisions, found, accept(revisions, found, peer, thresholds), strict=True):
        row["accepted"] = accepted
        texts.append(one.apply(accepted))
    before = peer.appropriate([(one.issue, one.argument) for one in revisions])
    after = peer.appropriate([(one.issue, text) for one, text in zip(revisions, texts, strict=True)])
    gone = [
        lost(*both) for both in peer.tokens([(one.argument, text) for one, text in zip(revisions, texts, strict=True)])
    ]
    for row, *values in zip(found, before, after, gone, strict=True):
        row["before"], row["after"], row["lost"] = values
    return found


def accept(
    revisions: Sequence[Revision], found: Sequence[dict[str, Any]], peer: Peer, thresholds: Mapping[str, float]
) -> list[list[int]]:
    """The indices of the edits that pass alone and together with the others of their sentence."""
    alone, together = [], []
    for n, one in enumerate(revisions):
        sentences = one.edited_sentences()
        values = perplexities(peer.models, [(sentence.before, sentence.after) for sentence in sentences])
        whole = {sentence.sentence_id: value for sentence, value in zip(sentences, values, strict=True)}
        most = thresholds["sentence_pattern_conformity"]
        passing = [
            i
            for i, scores in sorted(found[n]["edits"].items())
            if whole[one.edits[i].sentence_id] <= most and passes(one.edits[i], scores, thresholds)
        ]
        alone.append(passing)
        together += [(n, each) for each in joint(Argument(one, tuple(passing), one.argument, ()))]
    scored = zip(together, judged(peer, [each.edit for _, each in together]), strict=True)
    down = {
        (n, each.edit.sentence_id): each.enough
        for (n, each), scores in scored
        if each.idle or not passes(each.edit, scores | {"token_similarity": 1.0}, thresholds)
    }
    return [
        [
            i
            for i in passing
            if (place := (n, one.edits[i].sentence_id)) not in down
            or one.edits[i].before == one.edits[i].after
            or one.edits[i] is down[place]
        ]
        for n, (one, passing) in enumerate(zip(revisions, alone, strict=True))
    ]


def judged(peer: Peer, edits: Sequence[Edit]) -> list[dict[str, float]]:
    """The scores of each edit by models."""
    found = [{"fluency": p} for p in peer.fluent([(edit.sentence_before, edit.sentence_after) for edit in edits])]
    changed = [(scores, edit) for scores, edit in zip(found, edits, strict=True) if edit.changes]
    similar = peer.tokens([(edit.sentence_before, edit.sentence_after) for _, edit in changed])
    for (scores, _), both in zip(changed, similar, strict=True):
        scores["token_similarity"] = f1(*both)
    words = [exchanged(edit.sentence_before, edit.sentence_after) for edit in edits]
    vectors = peer.vectors([(*gone, *come) for gone, come in words])
    for scores, (old, _), both in zip(found, words, vectors, strict=True):
        scores["no_praise_for_blame"] = peer.models.kept(both[: len(old)], both[len(old) :])
    return found


def passes(edit: Edit, scores: Mapping[str, float], thresholds: Mapping[str, float]) -> bool:
    """Whether the edit, which may be a sentence's accepted edits as one, passes the gates at edit level."""
    rules = {
        "plain_text": plain_text([edit])[0],
        "no_new_numbers": no_new_numbers([edit])[0],
        "no_bare_negation": no_bare_negation([edit])[0],
        "no_repetition": no_repetition([edit])[0],
    }
    models = ("token_similarity", "fluency", "no_praise_for_blame")
    return all({**scores, **rules}.get(name, -1) >= thresholds[name] for name in (*models, *rules))


def perplexities(models: Models, pairs: Sequence[Pair]) -> list[float]:
    """The perplexity of the operations that edited each sentence."""
    return [float(models.patterns.perplexity([operations(before, after)])[0]) for before, after in pairs]


class Loop:
    """One text at a time."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def tokens(self, pairs: Sequence[Pair]) -> list[tuple[Any, Any]]:
        return [(self._tokens(before), self._tokens(after)) for before, after in pairs]

    def _tokens(self, text: str) -> Any:
        found = self.models.encoder.encode(
            text, output_value="token_embeddings", convert_to_tensor=True, show_progress_bar=False
        )
        return torch.nn.functional.normalize(found[1:-1], dim=-1)

    def vectors(self, groups: Sequence[Sequence[str]]) -> list[Any]:
        return [self.models.encode(group, FORWARD) for group in groups]

    def fluent(self, pairs: Sequence[Pair]) -> list[float]:
        judge = self.models.judge
        return [
            self.models.fluent(judge.logits([judge.encode(before, after)]))[0] if after.strip() else 0.0
            for before, after in pairs
        ]

    def appropriate(self, pairs: Sequence[Pair]) -> list[float]:
        critic = self.models.critic
        return [self.models.appropriate(critic.logits([critic.encode(*pair)]))[0] for pair in pairs]


class Trl:
    """Padded batches in the given order; each reward function computes its own."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def tokens(self, pairs: Sequence[Pair]) -> list[tuple[Any, Any]]:
        befores, afters = self._tokens([before for before, _ in pairs]), self._tokens([after for _, after in pairs])
        return list(zip(befores, afters, strict=True))

    def _tokens(self, texts: Sequence[str]) -> list[Any]:
        encoder, found = self.models.encoder, []
        for start in range(0, len(texts), FORWARD):
            part, limit = list(texts[start : start + FORWARD]), encoder.max_seq_length
            inputs = encoder.tokenizer(part, padding=True, truncation=True, max_length=limit, return_tensors="pt")
            inputs = {name: value.to(self.models.device) for name, value in inputs.items()}
            with torch.inference_mode():
                states = torch.nn.functional.normalize(encoder(dict(inputs))["token_embeddings"], dim=-1)
            found += [row[: int(n)][1:-1] for row, n in zip(states, inputs["attention_mask"].sum(1), strict=True)]
        return found

    def judged(self, model: Classifier, pairs: Sequence[Pair]) -> Any:
        parts = [pairs[start : start + FORWARD] for start in range(0, len(pairs), FORWARD)]
        return [model.logits([model.encode(*pair) for pair in part]) for part in parts]

    def vectors(self, groups: Sequence[Sequence[str]]) -> list[Any]:
        found = self.models.encode([text for group in groups for text in group], FORWARD)
        return list(torch.split(found, [len(group) for group in groups]))

    def fluent(self, pairs: Sequence[Pair]) -> list[float]:
        found = [p for logits in self.judged(self.models.judge, pairs) for p in self.models.fluent(logits)]
        return [p if after.strip() else 0.0 for p, (_, after) in zip(found, pairs, strict=True)]

    def appropriate(self, pairs: Sequence[Pair]) -> list[float]:
        return [p for logits in self.judged(self.models.critic, pairs) for p in self.models.appropriate(logits)]


class Careful:
    """Distinct texts, sorted by length, in batches of 32."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.judge, self.critic = (Pairs(one) for one in (models.judge, models.critic))

    def tokens(self, pairs: Sequence[Pair]) -> list[tuple[Any, Any]]:
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        found = self.models.encoder.encode(
            texts, batch_size=BATCH, output_value="token_embeddings", convert_to_tensor=True, show_progress_bar=False
        )
        cut = [torch.nn.functional.normalize(tokens[1:-1], dim=-1) for tokens in found]
        known = dict(zip(texts, cut, strict=True))
        return [(known[before], known[after]) for before, after in pairs]

    def judged(self, pipe: Any, pairs: Sequence[Pair]) -> dict[Pair, Any]:
        distinct = sorted(dict.fromkeys(pairs), key=lambda pair: len(pair[0]) + len(pair[1]))
        return dict(zip(distinct, pipe(distinct, batch_size=BATCH), strict=True))

    def vectors(self, groups: Sequence[Sequence[str]]) -> list[Any]:
        places = {text: place for place, text in enumerate(dict.fromkeys(text for group in groups for text in group))}
        found = self.models.encode([*places], BATCH)
        return [found[[places[text] for text in group]] for group in groups]

    def fluent(self, pairs: Sequence[Pair]) -> list[float]:
        found = self.judged(self.judge, pairs)
        return [self.models.fluent(found[pair][None])[0] if pair[1].strip() else 0.0 for pair in pairs]

    def appropriate(self, pairs: Sequence[Pair]) -> list[float]:
        found = self.judged(self.critic, pairs)
        return [self.models.appropriate(found[pair][None])[0] for pair in pairs]


class Pairs(Pipeline):
    """Pairs of texts to logits (C,), batched by transformers."""

    def __init__(self, classifier: Classifier) -> None:
        classifier.tokenizer.padding_side = "right"
        super().__init__(model=classifier.model, tokenizer=classifier.tokenizer, device=torch.device(classifier.device))
        self.classifier = classifier

    def _sanitize_parameters(self, **given: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {}, {}

    def preprocess(self, input_: Any, **_: Any) -> Any:
        tokens, start = self.classifier.encode(*input_)
        ids = torch.tensor(tokens)[None]
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "token_type_ids": (torch.arange(len(tokens)) >= start)[None].long(),
        }

    def _forward(self, input_tensors: Any, **_: Any) -> Any:
        return {"logits": self.classifier.judge(**input_tensors)}

    def postprocess(self, model_outputs: Any, **_: Any) -> Any:
        return model_outputs["logits"][0]

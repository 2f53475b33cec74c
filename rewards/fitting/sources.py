"""The data that the shipped parameters were fitted to, by the SHA-256 of the file: source and licence, for cards."""

from __future__ import annotations

import re

KNOWN: dict[str, tuple[str, str]] = {
    "d26dbe2a3b0271ea59a44fa7ee7ad759de43f8fe20fd4de906f74be035620398": (
        "Appropriateness Corpus (Ziegenbein et al., ACL 2023)",
        "its repository (timonziegenbein/appropriateness-corpus) states no licence; the parameters are statistics of it and"
        " hold no text; ask its authors before you redistribute the corpus",
    ),
    "64d078c027c81375b4600256638ae1ede528d25eeb22968435a6e883c226b50b": (
        "UKPConvArg1 (UKPLab/acl2016-convincing-arguments)",
        "CC BY 4.0",
    ),
    "ed9fc474b19ac851ce4b85256376ea00ac8fd97ad0096a64da5894c51430cb8c": (
        "ArgRewrite V2 (Kashefi et al., 2022)",
        "CC BY 4.0",
    ),
    "3d810b335200af7c17d9ec9bf656c1e3bc0ee001f1996b984afd1e5388bbec4a": (
        "IteraTeR R3 (vipulraheja/IteraTeR)",
        "Apache-2.0",
    ),
    "acd4243b0432d613b0688dce4e13a2672b45ec5b9df366b8bcd00a4736614cbb": (
        "BLiMP (alexwarstadt/blimp)",
        "CC BY",
    ),
    "2bee098ba996519de3633d9b3cf2bb315c0990cd33522a094916b1fba43955c8": (
        "ParaDetox (s-nlp/paradetox)",
        "CC0",
    ),
    "246efad98ee827754dc7c9efca4ca93a0c71384483ff93af6ee94065b813f9ca": (
        "Toxic Spans, Civil Comments (ipavlopoulos/toxic_spans)",
        "CC0",
    ),
    "ce5c78ed635a032b6c9e277295317592348e21dec4fa711ae6312a9d798dfc86": (
        "Toxic Spans, Civil Comments (ipavlopoulos/toxic_spans)",
        "CC0",
    ),
}
"""Source and licence of each file."""


def writer_of(document: str) -> str:
    """The writer of a document: in ArgRewrite the number in its name, which all drafts by a writer share; else its name."""
    number = re.search(r"argrewrite_(\d+)", document)
    return number[1] if number else document


def describe(digest: str) -> dict[str, str]:
    """`{source, licence}` of a known file; empty for others, whose licence only their owner knows."""
    if digest not in KNOWN:
        return {}
    source, licence = KNOWN[digest]
    return {"source": source, "licence": licence}

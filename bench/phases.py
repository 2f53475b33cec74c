"""`python -m bench.phases OUT COMMAND …`: runs `rewards COMMAND …` as usual, and writes the seconds of its phases to OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.watch import watching
from rewards.__main__ import main

if __name__ == "__main__":
    out = Path(sys.argv.pop(1))
    with watching() as watch:
        try:
            main()
        finally:
            out.write_text(json.dumps(watch.seconds), encoding="utf-8")

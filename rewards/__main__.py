"""The command `rewards`, also as `python -m rewards`."""

import os
import sys


def main() -> None:
    """Run the command line. Where required packages are not installed, print which, instead of a traceback."""
    try:
        from rewards.cli import main as run
    except ModuleNotFoundError:
        from rewards.versions import lacking

        if os.environ.get("REWARDS_DEBUG") or not (problem := lacking()):
            raise
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":  # worker processes of `rewards score` import this module again
    main()

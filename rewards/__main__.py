"""`python -m rewards`."""

from rewards.cli import main

if __name__ == "__main__":  # processes that `rewards score` starts import this again
    main()

"""Models: how they are specified, stored, loaded and run."""

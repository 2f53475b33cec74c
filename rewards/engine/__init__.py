"""The engine: requests in, features out, in one flat pass."""

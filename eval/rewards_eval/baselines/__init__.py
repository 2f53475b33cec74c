"""What a system must beat: rewriting by rule, and not rewriting at all."""

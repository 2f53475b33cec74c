"""Text: sentences, word differences, and edits anchored to spans."""

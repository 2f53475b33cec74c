"""People judge suggestions on a local page: edit by edit, or two systems side by side without knowing which is which."""

"""moved."""

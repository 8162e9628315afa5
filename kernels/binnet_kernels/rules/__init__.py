"""The local learning rules: which neurons are unstable, and what their weights learn from it."""

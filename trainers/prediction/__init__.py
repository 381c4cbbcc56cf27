"""A trained model that takes raw rows."""

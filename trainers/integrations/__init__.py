"""Trainers of other libraries in one call."""

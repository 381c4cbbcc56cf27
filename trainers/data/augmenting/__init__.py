"""Variations of training rows, anew in each epoch."""

"""Layers that several trainers build from. All import torch."""

"""Reinforcement learning with the algorithms of Stable-Baselines3."""

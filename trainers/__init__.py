"""The registry of trainers, the trial's handle, and the built-in models.

Importing this package imports no torch; a built-in trainer imports it when it trains.
"""

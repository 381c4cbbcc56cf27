"""Packs: trials of one worker that train their epochs together, as one batched model.

work.py   an epoch of one trial: what it needs, and how it is trained alone and with others
hub.py    has the trials of a worker take turns, and trains their epochs together where that is faster
pace.py   how fast they train alone and together, measured
"""

"""Packs: trials of one worker that train their epochs together, as one batched model.

work.py       an epoch of one trial: what it needs, and how it is trained alone and with others
hub.py        has the trials of a worker take turns, and trains their epochs together where that is faster
pace.py       how fast they train alone and together, measured
processor.py  where the thread that does so runs

An epoch that is trained together, from outside inwards:

key.py         which epochs can be, and why others cannot; probe.py: tried on a few rows
epoch.py       the epoch: parameters laid into padded stacks, trained, and taken out again
graph.py       its steps: on a GPU as replays of one that was captured
layers.py      the same place of several nets as one function; norms.py, pools.py and masks.py likewise
recurrent.py   recurrent nets; attention.py: blocks of it; transformer.py, decoder.py: nets of such blocks
functional.py  whole nets of layers that those do not know, by torch.func
stack.py       what they have in common; leaf.py: one parameter
losses.py, optimizers.py, metrics.py   of all members at once, each member's own
"""

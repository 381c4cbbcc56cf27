"""Searches measured in virtual time: the real runner, scheduler and samplers on tasks whose learning curves are known.

task.py says what a task is and what regret means; cluster.py has the workers, as events on a virtual clock; study.py
runs one study; methods.py lists what is compared, rivals.py has the methods that are the benchmark's own; measure.py
runs many studies side by side and prints what came out. Tasks come from benchmarks/lcbench.py, families.py and
recorded.py.
"""

"""From and to other tools.

importing.py      a file or an address -> a study in the making: draft.py, written as a study file
                  a converter is a module and a row of its table: wandb_sweep.py, katib.py, determined.py, syne_tune.py
python_search.py  Ray Tune's and Syne Tune's searches in Python, which is read by python_file.py and never run
                  (python_dialects.py: their distributions)
optuna_studies.py Optuna's studies, read
exporting.py      a study -> an Optuna storage (optuna_export.py), CSV, Parquet (tables.py)
foreign.py        a document whose keys are taken one by one: what is left does not carry over
ranges.py         other tools' distributions as parameters
"""

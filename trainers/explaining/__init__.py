"""Why a trained model predicts what it predicts: attributions to what the user's data are made of, each with a check.

games.py       a prediction as a game of the parts of a row       shapley.py     Shapley values: exact, Kernel SHAP
local.py       occlusion, LIME, and the deletion check            gradients.py   integrated gradients, Grad-CAM
models.py      what is explained, in the unit of its output       importance.py  shuffled columns, partial dependence
given.py       models as they are given                           rows.py        row by row in time, and the checks
samples.py     rows, background and parts, by kind of data        explaining.py  all of it for a model and its rows
explanation.py what comes out                                     pictures.py    it as pictures

What is explained is the model with its preparation: a column of text, or of dates, is one part whatever became of it.
"""

"""A study's model card and data card, from what is known of it. Pure: facts in, texts out.

facts.py        what a card is made of
model_card.py   README.md in the form of the Hugging Face hub: a head in YAML with `model-index`, then sections
data_card.py    croissant.json: the data as Croissant JSON-LD (https://docs.mlcommons.org/croissant/docs/croissant-spec.html)
"""

from goodfit.service.cards.data_card import CONTEXT, data_card
from goodfit.service.cards.facts import CardFacts, DataFacts, DataFile, Score, group_rows, scores_of
from goodfit.service.cards.model_card import model_card

__all__ = [
    "CONTEXT",
    "CardFacts",
    "DataFacts",
    "DataFile",
    "Score",
    "data_card",
    "group_rows",
    "model_card",
    "scores_of",
]

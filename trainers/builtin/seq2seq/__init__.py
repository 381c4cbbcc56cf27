"""The encoder-decoder: texts to texts."""

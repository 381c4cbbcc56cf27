"""What is fitted on the training split: fills, scales, categories, tokenizers."""

"""The trainers that come with Goodfit."""

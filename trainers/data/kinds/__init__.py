"""The kinds of data: how each is loaded, split and prepared."""

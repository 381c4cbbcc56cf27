"""Files, folders and functions read as they are written, and what can be wrong in them."""

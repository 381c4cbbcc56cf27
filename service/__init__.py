"""Goodfit's engine and its faces: the command line, the client, the server."""

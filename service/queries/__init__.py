"""What is asked about studies, wherever they are: the room that the client and the server stand on.

source.py  what a source of studies gives       local.py    the source on a home's store
rows.py    trials as rows                       wire.py     records as JSON, and back
reading.py the spec of a study that is handed in here    replaying.py  its decisions, derived again
"""

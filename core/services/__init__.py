"""The use cases: the only rooms that pages, app.py and the command line enter."""

"""A restore from the login to the report: `story.py` is the flow, every other file is a stage of it."""

"""The processes of a run: parent, workers, writer, and the pipes between them."""

"""One frozen backbone, many artifacts, over HTTP: rows of all tasks share its passes."""

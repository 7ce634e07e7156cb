"""Runs and studies as one static HTML page: own SVG, no script, nothing fetched."""

"""Kind `span`: extractive question answering."""

"""The folder that people share: written and read here, knowing no model."""

"""Backbone, method and heads joined: the LightningModule, its loss and outputs, loading an artifact to predict."""

"""Recipes that train the pocket models, and the losses and data they share."""

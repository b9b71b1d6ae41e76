"""Runs of plans: what is known of the documents, the steps in order, estimates, forecasts and requirements."""

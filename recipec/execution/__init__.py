"""Runs of plans: facts about the documents, the steps in order, estimates, forecasts and requirements."""

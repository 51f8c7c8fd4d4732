"""Figures of a report computed again from its tables, without the package."""

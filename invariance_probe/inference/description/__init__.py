"""Rows of the report that describe a study and on which no verdict depends."""

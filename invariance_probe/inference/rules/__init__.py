"""Statistical rules and verdict tables, independent of any study."""

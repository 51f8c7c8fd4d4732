"""The statistics and the verdict tables, which know of no study."""

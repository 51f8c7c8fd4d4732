"""From a study to its runs: conditions, keys, recipes, price, cautions, registration and licences."""

"""How each kind of hypothesis is judged, and its words."""

"""A link: one peer at an address. How to reach it, who has the place, whether it lives, its bytes as frames."""

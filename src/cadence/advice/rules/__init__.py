"""One rule for each field of a recipe: pure functions of the profile, which see what was chosen before them."""

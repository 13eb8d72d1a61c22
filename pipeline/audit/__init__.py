"""Who did what, when, why, and how we know who: entries without values, in the transaction of what they tell."""

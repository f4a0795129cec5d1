"""Workers: who is there, what they compute on, and what they are doing."""

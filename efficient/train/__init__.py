"""How is it trained? `step.py` is all that is inside jit, `loop.py` all that is outside."""

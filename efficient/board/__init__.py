"""Who claims what, and who has checked? Boards, their rules, entries and what became of them.

An entry comes from a stranger: nothing in it is executed, unpickled or trusted. What needs no
arrays starts without jax: `rules`, `document`, `entry`, `claim`, `judgement`, `plausibility`,
`submission`, `challenge` and `page`.
"""

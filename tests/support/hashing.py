"""How passwords are hashed in this process while it tests: these keep no secret worth the wait."""

from __future__ import annotations

from argon2 import PasswordHasher

from app.teams import passwords

STRONG = passwords.HASHER
"""The service's; of what it costs, only the test of its parameters needs anything."""

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

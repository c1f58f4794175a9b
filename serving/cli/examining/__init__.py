"""What ``qbrix doctor`` looks at, each with what to do about it."""

from __future__ import annotations

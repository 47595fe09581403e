"""The contract of `../README.md` in Python."""

import relight

from desk import desk
from errand import errand
from shelf import shelf

relight.export(desk, shelf, errand)

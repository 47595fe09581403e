"""A saga: reserve, charge, ship; what has been done is undone, last step first, when a later one fails or the order is cancelled. How to
run it: see `../README.md`."""

import relight

from checkout import checkout
from stock import stock

relight.export(checkout, stock)

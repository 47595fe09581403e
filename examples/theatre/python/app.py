"""A theatre's box office: carts that hold tickets for a while, a checkout that charges exactly once, and refunds that wait for a person. How
to run it: see `../README.md`."""

import relight

from cart import cart
from mail import mail
from refund import refund
from ticket import ticket

relight.export(cart, ticket, refund, mail)

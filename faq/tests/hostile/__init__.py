"""An attack on the whole site: what `make attack` and `test_hostile.py` send, and how they judge the answers.

payloads    hostile values, by kind
world       a site full of hostile words, with everything that has an address
requests    one request and its answer, through the WSGI application that the server runs
places      every address, parameter, form and field of the site, found and not listed by hand
verdicts    what is wrong with an answer
campaign    the attack: what is sent where, with seeded chance, and the counts
headers     the headers of every kind of answer
wire        what only a server sees, by raw sockets
"""

"""Floor 3: the gradients by hand, in NumPy. Forward stands beside backward, gradients are named d…

`chain` has the whole network in single operations, under the names of the lecture; the pairs fuse them; `network` is a
recipe's whole network made of the pairs.
"""

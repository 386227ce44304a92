"""Administration: put the program on a machine and take it away again, see whether it can work, see that it does.

rules      which audit rules there are, for which machine, and what each level is for
layout     what belongs on a machine, and where
install    the difference between that and what is there, and how it is made; the way back
machine    what doctor and status ask: files below a root, commands, sockets
doctor     checks, each with what to do; doctor_audit has those of audit itself
status     the counters of a running plugin; top shows them again and again
reference  the meaning of each configuration key; manual makes man pages and the default configuration of it
commands   the command line of all this
"""

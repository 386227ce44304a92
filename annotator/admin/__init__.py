"""Administration: put the program on a machine and take it away again, see whether it can work, see that it does.

rules         the audit rules, the levels they form, and their form for other machines
install_plan  every file of an installation, its place and its mode; completions writes those of shells
install       the steps from the files of a machine to the plan, and back; manifest lists what was installed
machine       a machine as doctor and status see it: files below a root, commands, processes
doctor        checks, each with advice; doctor_audit has those of audit itself, doctor_install, doctor_aix the rest
status        the counters of a running plugin, which plugin_client asks for; top shows them again and again
config_docs   the keys of the configuration for documents; manual makes the man pages
"""

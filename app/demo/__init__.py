"""The demo: a year of made-up life on the lake, told to the services as real life would tell it.

`serve --demo` runs it. `welcome` is what stands ready before the doors open, `seeding` the child
that writes the year, `proxy` the web phone on the web's own address. The year itself: `duties` is
the table of who walks how often, `plan` draws outings from it, `tricks` are those whose evidence
must say something, `history` and `photographs` tell them to the services, `people` binds, `leave`
gives leave to send, `told` are the reminders of the past. `phones` is what the simulated WeChat
must know again at each start; `workdays` and `pages` are the operator's next workday. What is
meant to happen is written down in demo/README.md.
"""

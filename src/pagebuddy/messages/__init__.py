"""Rings of messages in shared memory: queues and topics, found by name.

queue          `ArenaQueue`, a queue between processes
topic          `ArenaTopic` and its subscriptions
rendezvous     waiting for a key, an object, a queue or a topic
running        the steps of a call that waits: asleep, or in an event loop
loop           the thread that waits for rings while coroutines await them
deadline       until when a call waits
opening        a ring by its name, or a new one
parcel         an object as a message, and back
channel        a ring as Python code uses it
sending        the bytes and pages of an object into a ring
receiving      and out of it
transfers      what both do step by step, and the end of a message that was interrupted
waiting        spinning, sleeping, waking
changes        what is done to a ring under its lock, by its number
cells          what is done to messages: put, take, give back
rows           what is noted about processes: who puts, and open tasks
subscriptions  what is done to subscriptions of a topic
ring           the words of a ring, checked and repaired
layout         where the parts of a ring lie, and its header
progress       what a process works on, in words that stay when it is killed
shut_down      `ShutDown`, which a queue raises that will have no message again
"""

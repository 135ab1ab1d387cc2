"""A video passed between processes, by an arena and by what Python has: the demonstration of sharing.

video     frames whose every byte can be checked
players   what a producer and a consumer do, in processes of their own
passage   one passage of the video, watched; and one in which a process is killed
demo_command    the verb
"""

"""The verb `demo`: sends a video between processes, through an arena and through a standard queue.

demo_command    the verb
passage         sends the video once, and optionally kills a consumer
players         the producer and consumer processes
video           frames in which every byte can be checked
"""
